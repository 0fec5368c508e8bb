package objects

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// siocUnixFile opens the file that a unix socket's name made, with O_PATH (linux/un.h).
const siocUnixFile = 0x89e0

// NameSocket finds out how the name of the bound unix socket behind fd of pid leads to its
// file: u.Bound.Dir is filled, and it is an error if it does not.
func (a *Asker) NameSocket(pid, fd int, u *fastcr.UnixSocket) error {
	dup, err := a.Dup(pid, fd)
	if err != nil {
		return err
	}
	defer unix.Close(dup)
	at, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(dup), siocUnixFile, 0)
	if errno != 0 {
		return fmt.Errorf("open file of unix socket, pid %d fd %d: %w", pid, fd, errno)
	}
	defer unix.Close(int(at))
	var own unix.Stat_t
	if err := unix.Fstat(int(at), &own); err != nil {
		return fmt.Errorf("stat unix socket, pid %d fd %d: %w", pid, fd, err)
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", at))
	if err != nil {
		return fmt.Errorf("path of unix socket, pid %d fd %d: %w", pid, fd, err)
	}
	return nameSocket(u, path, &own)
}

// nameSocket goes by where the kernel has the file (path), and what it is.
func nameSocket(u *fastcr.UnixSocket, path string, own *unix.Stat_t) error {
	name := fastcr.SocketName(u.Name)
	full := name
	if !strings.HasPrefix(name, "/") {
		path = strings.TrimSuffix(path, " (deleted)")
		short := strings.TrimPrefix(name, "./")
		dir, ok := strings.CutSuffix(path, "/"+short)
		if !ok {
			return fmt.Errorf("its name %s is relative, and not the end of its path %s", name, path)
		}
		if dir == "" {
			dir = "/"
		}
		if !isDir(dir) {
			return fmt.Errorf("its name %s is relative to %s, which is gone", name, dir)
		}
		u.Bound.Dir, full = dir, dir+"/"+name
	}
	var st unix.Stat_t
	err := unix.Stat(full, &st)
	same := err == nil && st.Ino == own.Ino && st.Dev == own.Dev
	if !u.Bound.Deleted && !same {
		return fmt.Errorf("its name %s does not lead to it: it was renamed, hidden, or is in another root directory", name)
	}
	return nil
}

func isDir(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// IsSocket tells whether path leads to a unix socket's file.
func IsSocket(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK
}
