package dump

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/freeze"
	"github.com/fastcr/fastcr/loader"
	"github.com/fastcr/fastcr/objects"
)

// connections are the TCP connections that are kept.
type connections struct {
	list    []fastcr.Connection // memory for them
	repairs *freeze.Repairs     // nil: there were none at the look
	mem     []byte              // for what waits in them, made before the freeze
	queues  map[fastcr.KObj]fastcr.TCPQueues
	seen    []loader.SeenTCP // each once
}

// Room for what comes between look and freeze.
const (
	moreConnections = 1024
	moreQueued      = 1 << 20 // bytes
)

// keepsConnections tells whether TCP connections are dumped as such.
func (o *Options) keepsConnections() bool { return o.TCPEstablished && !o.TCPClose }

// isConnection tells whether a file is a TCP connection.
func isConnection(f *fastcr.File) bool {
	s, ok := f.Detail.(*fastcr.InetSocket)
	return ok && s.Connected()
}

// prepareConnections makes memory for what waits in the tree's connections and tells the guardian
// where to look for those that would be left in repair mode.
func (r *run) prepareConnections() (err error) {
	c := &r.contents.tcp
	n := 2*len(r.look.Connections()) + moreConnections
	c.list = make([]fastcr.Connection, 0, n)
	if !r.opts.keepsConnections() || n == moreConnections {
		return nil
	}
	c.queues = make(map[fastcr.KObj]fastcr.TCPQueues, n)
	c.seen = make([]loader.SeenTCP, 0, n)
	if c.repairs, err = r.hold.GuardRepairs(n); err != nil {
		return err
	}
	r.closeLater(c.repairs.Close)
	if err := r.session.ReadTCP(); err != nil {
		return err
	}
	size := 0
	if err := r.session.EachTCP(func(s loader.SeenTCP) error {
		size += objects.QueuesSize(&s.State)
		return nil
	}); err != nil {
		return err
	}
	size += size/2 + moreQueued
	if c.mem, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE); err != nil {
		return fmt.Errorf("%d bytes for what waits in TCP connections: %w", size, err)
	}
	all := c.mem
	r.closeLater(func() { _ = unix.Munmap(all) })
	return nil
}

// Connections are the TCP connections that the last look at the tree met; the slice is
// used again by the next call. It is for the freeze.
func (r *run) connections() (_ []fastcr.Connection, err error) {
	c := &r.contents.tcp
	c.list, err = r.session.AppendConnections(c.list[:0])
	return c.list, err
}

// askConnections reads what the frozen tree's connections are at and what waits in them.
func (r *run) askConnections() error {
	c := &r.contents.tcp
	conns, err := r.connections()
	if err != nil || len(conns) == 0 || !r.opts.keepsConnections() {
		return err
	}
	if c.repairs == nil {
		return fmt.Errorf("the tree got its first TCP connection: it %w", errChanged)
	}
	if err := r.session.ReadTCP(); err != nil {
		return err
	}
	if r.packets.brief && r.unacknowledged() {
		if err := r.packets.lockBriefly(); err != nil {
			return err
		}
		if err := r.session.ReadTCP(); err != nil {
			return err
		}
	}
	if err := r.askQueues(); err != nil {
		return err
	}
	if r.packets.brief {
		return r.packets.unlock()
	}
	return nil
}

// unacknowledged tells whether a connection has sent, or is to send, what its peer has not acknowledged.
func (r *run) unacknowledged() (has bool) {
	_ = r.session.EachTCP(func(s loader.SeenTCP) error {
		has = has || s.State.Unacked() > 0
		return nil
	})
	return has
}

// askQueues asks every connection that was read for what waits in it.
func (r *run) askQueues() error {
	c := &r.contents.tcp
	return r.session.EachTCP(func(s loader.SeenTCP) error {
		if _, ok := c.queues[s.Object]; ok {
			return nil
		}
		if s.Unstable {
			return fmt.Errorf("pid %d fd %d: a TCP connection %w", s.PID, s.FD, errChanged)
		}
		q, err := c.ask(r.contents.asker, s)
		if objects.IsUnsteady(err) || errors.Is(err, freeze.ErrNoRepairs) {
			return fmt.Errorf("%w: %w", errChanged, err)
		}
		c.queues[s.Object] = q
		c.seen = append(c.seen, s)
		return err
	})
}

// ask reads the queues of one connection, if anything is in them.
func (c *connections) ask(a *objects.Asker, s loader.SeenTCP) (q fastcr.TCPQueues, err error) {
	n := objects.QueuesSize(&s.State)
	if n == 0 || s.State.Urgent { // that is refused once it is known whose it is
		return q, nil
	}
	if err := a.Add(s.PID); err != nil {
		return q, err
	}
	mem := c.mem
	if n > len(mem) {
		mem = make([]byte, n)
	} else {
		c.mem = mem[n:]
	}
	return a.TCPQueues(s.PID, s.FD, &s.State, s.Reuseaddr, c.repairs, mem[:n])
}

// coversConnections wants every connection of the frozen tree to have been read.
func (r *run) coversConnections() error {
	if !r.opts.keepsConnections() {
		return nil
	}
	for _, f := range r.tree.Files {
		if isConnection(f) && f.Detail.(*fastcr.InetSocket).Conn == nil {
			return fmt.Errorf("%s: a TCP connection %w", f.Detail, errChanged)
		}
	}
	return nil
}

// endTree kills the frozen tree. Its connections are put into repair mode before, so that they go
// without a word to their peers, and nothing is left of them that were in a restore's way.
func (r *run) endTree() error {
	c := &r.contents.tcp
	err := r.silence(c)
	if err == nil && c.repairs != nil {
		err = r.hold.StillFrozen() // the guardian may have thawed it, and ended what was begun
		c.repairs.Killed(err == nil)
	}
	if err == nil {
		err = r.hold.Kill()
	}
	if err != nil && c.repairs != nil {
		c.repairs.Killed(false)
		err = errors.Join(err, r.unsilence(c))
	}
	return err
}

// silence puts every connection of the frozen tree into repair mode.
func (r *run) silence(c *connections) error {
	for _, s := range c.seen {
		if s.State.State == fastcr.StateClose {
			continue
		}
		if err := c.repairs.Begin(s.PID, s.FD, s.Reuseaddr); err != nil {
			return err
		}
		if err := r.onDuplicate(s, objects.BeginRepair); err != nil {
			return err
		}
	}
	return nil
}

// unsilence undoes it for a tree that lives on.
func (r *run) unsilence(c *connections) (err error) {
	for _, s := range c.seen {
		if s.State.State == fastcr.StateClose {
			continue
		}
		err = errors.Join(err, r.onDuplicate(s, func(fd int) error { return objects.EndRepair(fd, s.Reuseaddr) }))
	}
	if err == nil {
		c.repairs.End()
	}
	return err
}

func (r *run) onDuplicate(s loader.SeenTCP, f func(fd int) error) error {
	if err := r.contents.asker.Add(s.PID); err != nil {
		return err
	}
	fd, err := r.contents.asker.Dup(s.PID, s.FD)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := f(fd); err != nil {
		return fmt.Errorf("pid %d fd %d: %w", s.PID, s.FD, err)
	}
	return nil
}
