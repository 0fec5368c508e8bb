package objects

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"github.com/fastcr/fastcr"
)

// QueueMagic is s_magic of the file system of POSIX message queues (mq_overview(7)).
const QueueMagic = 0x19800202

// NameQueue has the path of a message queue lead to it, and tells whether there is one. mq_open(2) opens a
// queue on a mount that only the kernel sees: a restore needs another of the same file system.
func (m Mounts) NameQueue(p *fastcr.PathRef) bool {
	if LeadsTo(p) {
		return true
	}
	for _, path := range m.paths(uint32(p.SDev), p.Path) {
		named := *p
		if named.Path = path; LeadsTo(&named) {
			p.Path = path
			return true
		}
	}
	return false
}

// QueueNotified is the process that a message queue notifies of the next message (mq_notify(3)), 0: none.
func QueueNotified(path string) (pid int, err error) {
	state, err := os.ReadFile(path) // QSIZE:0 NOTIFY:0 SIGNO:0 NOTIFY_PID:0
	if err != nil {
		return 0, fmt.Errorf("read the state of a message queue: %w", err)
	}
	_, after, _ := bytes.Cut(state, []byte("NOTIFY_PID:"))
	return strconv.Atoi(string(bytes.TrimSpace(after)))
}
