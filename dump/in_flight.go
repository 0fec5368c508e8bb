package dump

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/loader"
	"github.com/fastcr/fastcr/objects"
)

// inFlight is what came out of sockets' queues in the freeze: open files that wait in messages.
type inFlight struct {
	fresh []received             // descriptors of fastcr's own, not looked at yet
	files map[int]*fastcr.File   // what they are
	where map[fastcr.KObj]holder // sockets that came so themselves: whose message brought them
	list  []received             // all
}

// holder is a socket of the tree: a process and its descriptor.
type holder struct{ pid, fd int }

type received struct {
	fd int // fastcr's own
	by holder
}

// receive takes note of what came with a queue of the socket f.
func (c *contents) receive(f loader.SeenFile, q *fastcr.SocketQueue) {
	by, passed := c.flight.where[f.File]
	if !passed {
		by = holder{f.PID, f.FD}
	}
	for i := range q.Packets {
		for _, fd := range q.Packets[i].FDs {
			c.flight.fresh = append(c.flight.fresh, received{fd, by})
		}
	}
}

// askInFlight looks at the files that waited in messages as at all others, and asks them what
// they hold. Sockets among them may have messages with files. Only where there are such,
// something is opened in the freeze: the iterator over fastcr's own descriptors.
func (r *run) askInFlight() error {
	c := &r.contents
	for len(c.flight.fresh) > 0 {
		if err := c.asker.Add(os.Getpid()); err != nil {
			return err
		}
		fresh := c.flight.fresh
		c.flight.fresh = nil
		c.flight.list = append(c.flight.list, fresh...)
		fds := make([]int, len(fresh))
		for i := range fresh {
			fds[i] = fresh[i].fd
		}
		own, err := r.session.ReadOwn(fds, func(f loader.SeenFile) error {
			for i := range fresh {
				if fresh[i].fd == f.FD {
					c.flight.where[f.File] = fresh[i].by
				}
			}
			return c.one(f)
		})
		if err != nil {
			return err
		}
		for fd, f := range own {
			c.flight.files[fd] = f
			if err := r.openPassedGhost(fd, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// openPassedGhost opens a deleted file that is only in a message: nobody knew of it before.
func (r *run) openPassedGhost(fd int, f *fastcr.File) error {
	if f.Kind != fastcr.KindRegular || !f.Path.Deleted || f.Path.OtherNames() {
		return nil
	}
	return r.openGhost(deletedFile{os.Getpid(), fd, &f.Path,
		func() (*objects.Ghost, error) { return r.contents.asker.OpenGhost(os.Getpid(), fd, f.Path) }, nil})
}

// settleInFlight puts the files that waited in messages into the decoded tree, and tells the
// messages who they are.
func (r *run) settleInFlight() {
	c := &r.contents
	known := map[fastcr.KObj]*fastcr.File{}
	for _, f := range r.tree.Files {
		known[f.ID] = f
	}
	procs := map[int]*fastcr.Process{}
	for _, p := range r.tree.Processes {
		procs[p.PID] = p
	}
	for _, got := range c.flight.list {
		f := c.flight.files[got.fd]
		if k := known[f.ID]; k != nil {
			k.InMessage = true
			continue
		}
		f.InMessage = true
		known[f.ID] = f
		r.tree.Files = append(r.tree.Files, f)
		p := procs[got.by.pid]
		p.Passed = append(p.Passed, fastcr.FD{Num: got.by.fd, File: f})
	}
	for _, q := range c.queues {
		for i := range q.Packets {
			p := &q.Packets[i]
			for _, fd := range p.FDs {
				p.Rights = append(p.Rights, c.flight.files[fd].ID)
			}
		}
	}
}

// checkPassed refuses what cannot be made anew for a message.
func (r *refusal) checkPassed(p *fastcr.Process, fd *fastcr.FD) {
	f, reason := fd.File, ""
	u, _ := f.Detail.(*fastcr.UnixSocket)
	switch {
	case u != nil && r.lonely(u):
		reason = "is a socket without another that is connected to it, and nobody but a message has it"
	case isConnection(f) && !r.opts.TCPClose:
		reason = "is a TCP connection that nobody but a message has"
	case f.Kind == fastcr.KindMemfd:
		reason = "is a memfd that nobody but a message has"
	case len(f.Locks) > 0:
		reason = "has locks, and nobody but a message has it"
	case f.Kind == fastcr.KindTTY:
		reason = "is a terminal that nobody but a message has"
	case f.Path.Deleted && f.Path.OtherNames() && f.Flags&unix.O_PATH == 0:
		reason = "is a deleted file with other names that nobody but a message has"
	default:
		return
	}
	r.add(p.PID, fd.Num, fmt.Sprintf("%s in a message", f.Path.Path), reason, "let the program receive it, then dump again")
}

// lonely tells whether criu would make a socket up to refill a queue. It does that
// in the process that has the queue, and ends if nobody has.
func (r *refusal) lonely(u *fastcr.UnixSocket) bool {
	if u.Type != unix.SOCK_DGRAM && (u.State != stateEstablished || r.unix.Peer(u) != nil || r.unix.Waits(u)) {
		return false
	}
	return len(r.unix.Senders(u)) == 0
}
