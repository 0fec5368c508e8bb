package images

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// tempPrefix is how temporary directories are called. Whoever writes into one has it
// locked (flock), so that one without a lock is what a killed fastcr has left.
const tempPrefix = ".fastcr-"

// makeTemp makes a temporary directory in dir and locks it. Where a file system
// has no locks there is none; then nobody removes what is left there either.
func makeTemp(dir string) (path string, lock int, err error) {
	for {
		if path, err = os.MkdirTemp(dir, tempPrefix); err != nil {
			return "", -1, err
		}
		lock, err = openDir(path)
		if err == nil {
			_ = flock(lock, unix.LOCK_EX)
			if sameFile(lock, path) {
				return path, lock, nil
			}
			unix.Close(lock)
		} else if !errors.Is(err, unix.ENOENT) {
			os.Remove(path)
			return "", -1, err
		}
		// Somebody took it for a leftover before it was locked: another one.
	}
}

// removeLeftovers removes temporary directories whose fastcr has died. What cannot
// be removed stays; it is in nobody's way.
func removeLeftovers(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		fd, err := openDir(path)
		if err != nil {
			continue
		}
		if flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.RemoveAll(path)
		}
		unix.Close(fd)
	}
}

func openDir(path string) (int, error) {
	return unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

func flock(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// sameFile tells whether path still names the file that is open as fd.
func sameFile(fd int, path string) bool {
	var open, named unix.Stat_t
	return unix.Fstat(fd, &open) == nil && unix.Lstat(path, &named) == nil && open.Dev == named.Dev && open.Ino == named.Ino
}

// unlock is called when the temporary directory is gone.
func (d *Dir) unlock() {
	if d.lock >= 0 {
		unix.Close(d.lock)
		d.lock = -1
	}
}
