package dump

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images"
)

// nameSockets finds out how the paths that unix sockets are bound to lead to them. What was
// found at the look, before the freeze, is not looked for again: the tree may run.
func (r *run) nameSockets(t *fastcr.Tree, running bool) error {
	var found []error
	for _, p := range t.Processes {
		for _, fd := range p.OpenFiles() {
			u, ok := fd.File.Detail.(*fastcr.UnixSocket)
			if !ok || !u.HasPath() || u.Bound == nil || !images.Rebinds(u) {
				continue
			}
			err := r.contents.nameSocket(p.PID, fd.Num, u, running)
			if err == nil {
				err = checkTaken(t, u)
			}
			if isGone(err) || errors.Is(err, unix.EBADF) || errors.Is(err, errChanged) {
				return fmt.Errorf("pid %d fd %d: a unix socket's name %w", p.PID, fd.Num, errChanged)
			}
			if err != nil {
				found = append(found, &fastcr.RefusedError{PID: p.PID, FD: fd.Num, Object: unixName(u), Reason: err.Error()})
			}
		}
	}
	return errors.Join(found...)
}

// boundKey is a bound socket and what is known of its file.
type boundKey struct {
	socket fastcr.KObj
	path   fastcr.UnixPath
}

func (c *contents) nameSocket(pid, fd int, u *fastcr.UnixSocket, running bool) error {
	key := boundKey{u.Object, *u.Bound}
	if dir, ok := c.bound[key]; ok {
		u.Bound.Dir = dir
		return nil
	}
	if running {
		return errChanged
	}
	err := c.asker.NameSocket(pid, fd, u)
	if err == nil {
		c.bound[key] = u.Bound.Dir
	}
	return err
}

// checkTaken is about a deleted name that another socket, outside of the tree, has now: to
// bind the name once more criu removes that one's.
func checkTaken(t *fastcr.Tree, u *fastcr.UnixSocket) error {
	path := fastcr.SocketName(u.Name)
	if path[0] != '/' {
		path = filepath.Join(u.Bound.Dir, path)
	}
	var st unix.Stat_t
	if !u.Bound.Deleted || unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil
	}
	for _, f := range t.Files {
		if o, ok := f.Detail.(*fastcr.UnixSocket); ok && o.Bound != nil && o.Bound.Ino == st.Ino && images.Rebinds(o) {
			return nil
		}
	}
	return fmt.Errorf("its name %s was deleted and is that of a socket outside of the tree now, which a restore would remove", path)
}
