package dump

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/objects"
)

// deletedFile is a file without its name that the tree has, and how to come by it.
type deletedFile struct {
	pid, fd int // fd -1: mapped, or the program itself
	path    *fastcr.PathRef
	open    func() (*objects.Ghost, error)
	link    func() (*objects.Link, error)
}

// eachDeleted calls f with every deleted file of the tree, some of them more than once.
func (c *contents) eachDeleted(t *fastcr.Tree, f func(deletedFile) error) error {
	for _, p := range t.Processes {
		if err := c.deletedOf(p, f); err != nil {
			return err
		}
	}
	return nil
}

func (c *contents) deletedOf(p *fastcr.Process, f func(deletedFile) error) error {
	for i := range p.Files {
		fd, at := &p.Files[i], &p.Files[i].File.Path
		if k := fd.File.Kind; !at.Deleted || at.External != "" || k != fastcr.KindRegular && k != fastcr.KindCharDev && k != fastcr.KindFIFO {
			continue
		}
		if err := f(deletedFile{p.PID, fd.Num, at,
			func() (*objects.Ghost, error) { return c.asker.OpenGhost(p.PID, fd.Num, *at) },
			func() (*objects.Link, error) { return c.asker.LinkFD(p.PID, fd.Num, *at) }}); err != nil {
			return err
		}
	}
	for i := range p.VMAs {
		v := &p.VMAs[i]
		if !v.Path.Deleted || v.Path.External != "" || v.Kind != fastcr.VMAFilePrivate && v.Kind != fastcr.VMAFileShared {
			continue
		}
		if err := f(deletedFile{p.PID, -1, &v.Path,
			func() (*objects.Ghost, error) { return objects.OpenMappedGhost(p.PID, v.Start, v.End, v.Path) },
			func() (*objects.Link, error) { return objects.LinkMapped(p.PID, v.Start, v.End, v.Path) }}); err != nil {
			return err
		}
	}
	if p.State == fastcr.TaskDead || !p.Exe.Deleted || p.Exe.External != "" {
		return nil
	}
	return f(deletedFile{p.PID, -1, &p.Exe,
		func() (*objects.Ghost, error) { return objects.OpenProcGhost(p.PID, "exe", p.Exe) },
		func() (*objects.Link, error) { return objects.LinkProc(p.PID, "exe", p.Exe) }})
}

// openDeleted opens every deleted file that the tree has, to be read in the freeze,
// and gives those that have other names a temporary one.
func (r *run) openDeleted(t *fastcr.Tree) error {
	return r.contents.eachDeleted(t, func(d deletedFile) error {
		var err error
		if d.path.OtherNames() {
			err = r.linkDeleted(d)
		} else {
			err = r.openGhost(d)
		}
		if isGone(err) || errors.Is(err, unix.EBADF) {
			return nil // closed or ended since: the freeze will show
		}
		return err
	})
}

// linkDeleted names a file anew if --link-remap allows it.
func (r *run) linkDeleted(d deletedFile) error {
	key := [2]uint64{d.path.Dev, d.path.Ino}
	if r.contents.links[key] != nil {
		return nil
	}
	if !r.opts.LinkRemap {
		return &fastcr.RefusedError{PID: d.pid, FD: d.fd, Object: d.path.Path,
			Reason: "is deleted but has other names", Advice: "give --link-remap: it gets a temporary name beside the old one"}
	}
	l, err := d.link()
	if err != nil {
		return err
	}
	r.contents.links[key] = l
	r.log.info("files", "%s is named %s until the restore", d.path.Path, l.Path)
	return nil
}

// openGhost opens one file if it is regular and not open yet, and reads a symbolic link; one that takes more
// than --ghost-limit on its disk is refused.
func (r *run) openGhost(d deletedFile) error {
	key := [2]uint64{d.path.Dev, d.path.Ino}
	if d.path.Mode&unix.S_IFMT == unix.S_IFLNK && r.contents.ghosts[key] == nil {
		target, err := r.contents.asker.LinkTarget(d.pid, d.fd)
		r.contents.ghosts[key] = &fastcr.GhostContent{Target: target}
		return err
	}
	if d.path.Mode&unix.S_IFMT != unix.S_IFREG || r.contents.opened[key] != nil {
		return nil
	}
	g, err := d.open()
	if err != nil {
		return err
	}
	used, err := g.Used()
	if err == nil && used > r.opts.GhostLimit {
		err = &fastcr.RefusedError{PID: d.pid, FD: d.fd, Object: d.path.Path,
			Reason: fmt.Sprintf("is a deleted file of %d bytes", used), Advice: "raise --ghost-limit"}
	}
	if err != nil {
		g.Close()
		return err
	}
	r.contents.opened[key] = g
	return nil
}

// covers tells whether every deleted file of the frozen tree was read or linked.
func (c *contents) covers(t *fastcr.Tree) error {
	return c.eachDeleted(t, func(d deletedFile) error {
		key := [2]uint64{d.path.Dev, d.path.Ino}
		have := c.ghosts[key] != nil || d.path.Mode&unix.S_IFMT != unix.S_IFREG
		if d.path.OtherNames() {
			have = c.links[key] != nil
		}
		if !have {
			return fmt.Errorf("pid %d: %s was deleted: the tree %w", d.pid, d.path.Path, errChanged)
		}
		return nil
	})
}

// linkPaths are the temporary names, for the images.
func (c *contents) linkPaths() map[[2]uint64]string {
	paths := make(map[[2]uint64]string, len(c.links))
	for key, l := range c.links {
		paths[key] = l.Path
	}
	return paths
}

func (c *contents) removeLinks() {
	if c.keepLinks {
		return
	}
	for _, l := range c.links {
		l.Remove()
	}
}
