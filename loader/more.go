package loader

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// One program call can write no more than a seq_file holds. What an object has
// beyond that is read by a second iterator of the same object file, named
// more_*, which starts where a cursor says. The cursor lies in task storage of
// fastcr's own main thread: runs that share a pinned program have one each, and
// it goes when fastcr does.
const (
	morePrefix   = "more_"
	cursorSuffix = "_cursor"
)

// more is a source's second iterator and the map that holds its cursor.
type more struct {
	prog   *ebpf.Program
	cursor *ebpf.Map
}

// readMore reads process pid with the source's second iterator into the
// stream's arena. cursor is that program's struct.
func (s *Session) readMore(st *stream, pid int, cursor any) error {
	if err := st.more.cursor.Put(int32(s.self), cursor); err != nil {
		return fmt.Errorf("set cursor of pid %d: %w", pid, err)
	}
	r := reader{pid: pid, fd: -1}
	if err := r.open(st.more.prog.FD()); err != nil {
		return err
	}
	defer r.close()
	return r.read(&st.arena)
}
