package objects

import (
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// Link is a temporary name of a deleted file that has other names (CRIU's link
// remap): the restored program opens the file by it, and the restorer removes it.
type Link struct{ Path string }

// linkTries bounds the numbers that are tried for a link's name.
const linkTries = 1 << 16

// LinkFD makes a link of the deleted file behind fd of pid.
func (a *Asker) LinkFD(pid, fd int, p fastcr.PathRef) (*Link, error) {
	dup, err := a.Dup(pid, fd)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dup)
	return makeLink(fmt.Sprintf("/proc/self/fd/%d", dup), p)
}

// LinkMapped makes a link of the deleted file that pid maps at [start, end).
func LinkMapped(pid int, start, end uint64, p fastcr.PathRef) (*Link, error) {
	return makeLink(fmt.Sprintf("/proc/%d/map_files/%x-%x", pid, start, end), p)
}

// LinkProc makes a link of the deleted file behind a link of /proc/PID (exe).
func LinkProc(pid int, link string, p fastcr.PathRef) (*Link, error) {
	return makeLink(fmt.Sprintf("/proc/%d/%s", pid, link), p)
}

// makeLink puts the link beside the name that the file had, or in the next
// directory above that is still there.
func makeLink(proc string, p fastcr.PathRef) (*Link, error) {
	dir := path.Dir(p.Path)
	for n := 1; n < linkTries; {
		name := path.Join(dir, fmt.Sprintf("link_remap.%d", n))
		err := unix.Linkat(unix.AT_FDCWD, proc, unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
		switch {
		case err == nil:
			return &Link{Path: name}, checkLink(name, p)
		case errors.Is(err, unix.EEXIST):
			n++
		case errors.Is(err, unix.ENOENT) && dir != "/":
			dir = path.Dir(dir)
		default:
			return nil, fmt.Errorf("link deleted file %s to %s: %w", p.Path, name, err)
		}
	}
	return nil, fmt.Errorf("link deleted file %s: %s/link_remap.1 and all after it exist", p.Path, dir)
}

// checkLink takes a link back that is not the file's, which was closed and its
// descriptor used again.
func checkLink(name string, p fastcr.PathRef) error {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err == nil && st.Ino == p.Ino {
		return nil
	}
	unix.Unlink(name)
	return fmt.Errorf("deleted file %s: %w", p.Path, unix.EBADF)
}

// Remove takes the name away again.
func (l *Link) Remove() error { return unix.Unlink(l.Path) }
