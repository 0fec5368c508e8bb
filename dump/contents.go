package dump

import (
	"errors"
	"fmt"

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
	ghosts map[[2]uint64]*fastcr.GhostContent

	watched map[watchKey]fastcr.InotifyWatch // with their paths
}

func (r *run) prepareContents() (err error) {
	c := &r.contents
	c.opened = map[[2]uint64]*objects.Ghost{}
	c.asked = make(map[fastcr.KObj]bool, len(r.look.Files))
	c.pipes = map[uint64]*fastcr.PipeContent{}
	c.queues = map[uint64]*fastcr.SocketQueue{}
	c.ghosts = map[[2]uint64]*fastcr.GhostContent{}
	c.watched = map[watchKey]fastcr.InotifyWatch{}
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
	return r.openGhosts(r.look)
}

// openGhosts opens every deleted file that the tree has, to be read in the freeze.
func (r *run) openGhosts(t *fastcr.Tree) error {
	for _, p := range t.Processes {
		for i := range p.Files {
			fd := &p.Files[i]
			if k := fd.File.Kind; k != fastcr.KindRegular {
				continue
			}
			if err := r.openGhost(p.PID, fd.Num, fd.File.Path, func() (*objects.Ghost, error) {
				return r.contents.asker.OpenGhost(p.PID, fd.Num, fd.File.Path)
			}); err != nil {
				return err
			}
		}
		for i := range p.VMAs {
			v := &p.VMAs[i]
			if v.Kind != fastcr.VMAFilePrivate && v.Kind != fastcr.VMAFileShared {
				continue
			}
			if err := r.openGhost(p.PID, -1, v.Path, func() (*objects.Ghost, error) {
				return objects.OpenMappedGhost(p.PID, v.Start, v.End, v.Path)
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// openGhost opens one file if it is deleted, regular and not open yet; larger
// than --ghost-limit is refused.
func (r *run) openGhost(pid, fd int, p fastcr.PathRef, open func() (*objects.Ghost, error)) error {
	key := [2]uint64{p.Dev, p.Ino}
	if !p.Deleted || p.Mode&unix.S_IFMT != unix.S_IFREG || r.contents.opened[key] != nil {
		return nil
	}
	if p.Nlink > 0 {
		return &fastcr.RefusedError{PID: pid, FD: fd, Object: p.Path,
			Reason: "is deleted but has other names", Advice: "close it, or restore its name"}
	}
	if p.Size > r.opts.GhostLimit {
		return &fastcr.RefusedError{PID: pid, FD: fd, Object: p.Path,
			Reason: fmt.Sprintf("is a deleted file of %d bytes", p.Size), Advice: "raise --ghost-limit"}
	}
	g, err := open()
	if isGone(err) || errors.Is(err, unix.EBADF) {
		return nil // closed or ended since: the freeze will show
	}
	if err != nil {
		return err
	}
	r.contents.opened[key] = g
	return nil
}

// ask reads pipes, socket queues and deleted files of the frozen tree.
func (r *run) ask() error {
	c := &r.contents
	if err := r.session.EachFile(func(f loader.SeenFile) error { return c.one(f) }); err != nil {
		return err
	}
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
	if f.Kind == fastcr.KindUnixSocket {
		q, err := c.asker.SocketQueue(f.PID, f.FD, f.Stream)
		if q != nil {
			c.queues[f.Ino] = q
		}
		return err
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

// covers tells whether every deleted file of the frozen tree was read.
func (c *contents) covers(t *fastcr.Tree) error {
	var err error
	check := func(pid int, p *fastcr.PathRef) {
		if p.Deleted && p.Mode&unix.S_IFMT == unix.S_IFREG && c.ghosts[[2]uint64{p.Dev, p.Ino}] == nil {
			err = errors.Join(err, fmt.Errorf("pid %d: %s was deleted: the tree %w", pid, p.Path, errChanged))
		}
	}
	for _, p := range t.Processes {
		for i := range p.Files {
			if f := p.Files[i].File; f.Kind == fastcr.KindRegular {
				check(p.PID, &f.Path)
			}
		}
	}
	return err
}

func (c *contents) close() {
	c.asker.Close()
	for _, g := range c.opened {
		g.Close()
	}
}
