package dump

import (
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/loader"
	"github.com/fastcr/fastcr/objects"
)

// pipeScratch is the default size of a pipe, in bytes.
const pipeScratch = 64 << 10

// contents is what open files hold, asked for in the freeze.
type contents struct {
	asker  *objects.Asker
	opened map[[2]uint64]*objects.Ghost
	asked  map[fastcr.KObj]bool

	pipes  map[uint64]*fastcr.PipeContent
	queues map[uint64]*fastcr.SocketQueue
	socks  map[uint64]*fastcr.AskedOptions
	ghosts map[[2]uint64]*fastcr.GhostContent

	links     map[[2]uint64]*objects.Link      // of deleted files that have other names
	keepLinks bool                             // the images need them
	paths     map[pathKey]bool                 // that were looked at
	watched   map[watchKey]fastcr.InotifyWatch // with their paths
	bound     map[boundKey]string              // where relative names of sockets start
	flight    inFlight
	tcp       connections
}

func (r *run) prepareContents() (err error) {
	c := &r.contents
	c.opened = map[[2]uint64]*objects.Ghost{}
	c.asked = make(map[fastcr.KObj]bool, len(r.look.Files))
	c.pipes = map[uint64]*fastcr.PipeContent{}
	c.socks = map[uint64]*fastcr.AskedOptions{}
	c.queues = map[uint64]*fastcr.SocketQueue{}
	c.ghosts = map[[2]uint64]*fastcr.GhostContent{}
	c.links = map[[2]uint64]*objects.Link{}
	c.watched = map[watchKey]fastcr.InotifyWatch{}
	c.paths = map[pathKey]bool{}
	c.bound = map[boundKey]string{}
	c.flight = inFlight{files: map[int]*fastcr.File{}, where: map[fastcr.KObj]holder{}}
	if err := nameQueues(r.look); err != nil {
		return err
	}
	if err := c.checkPaths(r.look, false); err != nil {
		return err
	}
	if err := checkSegments(r.look); err != nil {
		return err
	}
	if err := r.nameWatches(r.look); err != nil {
		return err
	}
	scratch := pipeScratch
	for _, f := range r.look.Files {
		if p, ok := f.Detail.(*fastcr.Pipe); ok {
			scratch = max(scratch, int(p.RingSize))
		}
	}
	if c.asker, err = objects.NewAsker(r.hold.Pids(), scratch); err != nil {
		return err
	}
	r.closeLater(c.close)
	if err := r.nameSockets(r.look, false); err != nil {
		return err
	}
	if err := r.prepareConnections(); err != nil {
		return err
	}
	return r.openDeleted(r.look)
}

// ask reads pipes, socket queues and deleted files of the frozen tree.
func (r *run) ask() error {
	c := &r.contents
	if err := r.session.EachFile(func(f loader.SeenFile) error { return c.one(f) }); err != nil {
		return err
	}
	if err := r.askInFlight(); err != nil {
		return err
	}
	if err := r.askConnections(); err != nil {
		return err
	}
	c.asker.CloseReceived()
	for key, g := range c.opened {
		content, err := g.Read(r.opts.GhostLimit)
		if err != nil {
			return err
		}
		c.ghosts[key] = content
	}
	return nil
}

func (c *contents) one(f loader.SeenFile) error {
	if c.asked[f.File] || f.Flags&unix.O_PATH != 0 {
		return nil
	}
	c.asked[f.File] = true
	if err := c.asker.Add(f.PID); err != nil {
		return err
	}
	if f.Kind == fastcr.KindUnixSocket || f.Kind == fastcr.KindSocket {
		return c.socket(f)
	}
	if c.pipes[f.Ino] != nil {
		return nil
	}
	content, ino, err := c.asker.PipeContent(f.PID, f.FD, f.Flags&unix.O_ACCMODE == unix.O_WRONLY)
	if content != nil {
		c.pipes[ino] = content
	}
	return err
}

// socket asks for what waits in a unix socket, and for any socket's options.
func (c *contents) socket(f loader.SeenFile) error {
	if f.Queued > 0 {
		q, err := c.asker.SocketQueue(f.PID, f.FD, f.Stream, f.Queued, f.Hard)
		if err != nil {
			return err
		}
		if q != nil {
			c.queues[f.Ino] = q
			c.receive(f, q)
		}
	}
	if f.Filter == 0 && !f.Bound {
		return nil
	}
	asked, err := c.asker.SocketOptions(f.PID, f.FD, f.Filter, f.Bound)
	c.socks[f.Ino] = asked
	return err
}

func (c *contents) close() {
	c.asker.Close()
	for _, g := range c.opened {
		g.Close()
	}
	c.removeLinks()
}
