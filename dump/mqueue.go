package dump

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/objects"
)

// nameQueues gives POSIX message queues the paths by which a restore opens them. As files do, they
// outlive the tree, with their messages.
func nameQueues(t *fastcr.Tree) error {
	q := queues{pids: map[int]bool{}}
	for _, p := range t.Processes {
		q.pids[p.PID] = true
	}
	var found []error
	for _, p := range t.Processes {
		for _, fd := range p.OpenFiles() {
			at := &fd.File.Path
			if !isQueue(fd.File) {
				continue
			}
			reason, advice, err := q.check(at)
			if err != nil {
				return err
			}
			if reason != "" {
				found = append(found, &fastcr.RefusedError{PID: p.PID, FD: fd.Num, Object: at.Path, Reason: reason, Advice: advice})
			}
		}
	}
	return errors.Join(found...)
}

func isQueue(f *fastcr.File) bool {
	return f.Kind == fastcr.KindRegular && f.Path.FSMagic == objects.QueueMagic && f.Path.Mode&unix.S_IFMT == unix.S_IFREG && f.Path.External == ""
}

type queues struct {
	mounts objects.Mounts
	pids   map[int]bool // of the tree
}

// check says why no restore brings the queue back as it is.
func (q *queues) check(at *fastcr.PathRef) (reason, advice string, err error) {
	if at.Deleted {
		return "is a message queue without a name (mq_unlink): it goes with its last descriptor, and its messages with it", "", nil
	}
	if q.mounts == nil {
		if q.mounts, err = objects.ReadMounts(); err != nil {
			return "", "", err
		}
	}
	if !q.mounts.NameQueue(at) {
		return "is a message queue, to which no path leads", "mount the queues' file system before the dump and the restore: mount -t mqueue none /dev/mqueue", nil
	}
	pid, err := objects.QueueNotified(at.Path)
	switch {
	case isGone(err):
		return "", "", fmt.Errorf("message queue %s: it %w", at.Path, errChanged)
	case err != nil:
		return "", "", err
	case q.pids[pid]:
		return fmt.Sprintf("is a message queue of which process %d is notified (mq_notify), which no restore asks for again", pid), "", nil
	}
	return "", "", nil
}
