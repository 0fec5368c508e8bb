package objects

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// Ghost is a deleted file whose content must travel in the image
// (CRIU's ghost file). It is opened before the freeze and read in it.
type Ghost struct {
	Dev, Ino uint64
	Path     string
	fd       int
}

// OpenGhost prepares to read the deleted regular file behind fd of pid.
func (a *Asker) OpenGhost(pid, fd int, path fastcr.PathRef) (*Ghost, error) {
	dup, err := a.Dup(pid, fd)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dup)
	// The duplicate may be write-only or O_PATH, and shares its position with the target.
	return openGhost(fmt.Sprintf("/proc/self/fd/%d", dup), path)
}

// LinkTarget is what the deleted symbolic link behind fd of pid, which O_PATH opened, says.
func (a *Asker) LinkTarget(pid, fd int) (string, error) {
	dup, err := a.Dup(pid, fd)
	if err != nil {
		return "", err
	}
	defer unix.Close(dup)
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dup, "", buf)
	if err != nil {
		return "", fmt.Errorf("read the symbolic link of pid %d fd %d: %w", pid, fd, err)
	}
	return string(buf[:n]), nil
}

// OpenMappedGhost prepares to read the deleted file that pid maps at [start, end).
func OpenMappedGhost(pid int, start, end uint64, path fastcr.PathRef) (*Ghost, error) {
	return openGhost(fmt.Sprintf("/proc/%d/map_files/%x-%x", pid, start, end), path)
}

// OpenProcGhost prepares to read the deleted file behind a link of /proc/PID (exe).
func OpenProcGhost(pid int, link string, path fastcr.PathRef) (*Ghost, error) {
	return openGhost(fmt.Sprintf("/proc/%d/%s", pid, link), path)
}

func openGhost(proc string, path fastcr.PathRef) (*Ghost, error) {
	fd, err := unix.Open(proc, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if errors.Is(err, unix.EPERM) {
		fd, err = unix.Open(proc, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("open deleted file %s: %w", path.Path, err)
	}
	return &Ghost{Dev: path.Dev, Ino: path.Ino, Path: path.Path, fd: fd}, nil
}

// Used is how much of its disk the file takes, in bytes.
func (g *Ghost) Used() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(g.fd, &st); err != nil {
		return 0, fmt.Errorf("stat deleted file %s: %w", g.Path, err)
	}
	return uint64(st.Blocks) * 512, nil
}

// Read returns the file's data extents; holes are left out (SEEK_DATA, SEEK_HOLE).
// A file that takes more than limit bytes on its disk is an error.
func (g *Ghost) Read(limit uint64) (*fastcr.GhostContent, error) {
	var st unix.Stat_t
	if err := unix.Fstat(g.fd, &st); err != nil {
		return nil, fmt.Errorf("stat deleted file %s: %w", g.Path, err)
	}
	if used := uint64(st.Blocks) * 512; used > limit {
		return nil, fmt.Errorf("deleted file %s has %d bytes, more than --ghost-limit %d", g.Path, used, limit)
	}
	c := &fastcr.GhostContent{}
	for off := int64(0); off < st.Size; {
		data, err := unix.Seek(g.fd, off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("find data of deleted file %s: %w", g.Path, err)
		}
		hole, err := unix.Seek(g.fd, data, unix.SEEK_HOLE)
		if err != nil {
			return nil, fmt.Errorf("find holes of deleted file %s: %w", g.Path, err)
		}
		buf := make([]byte, hole-data)
		if err := preadFull(g.fd, buf, data); err != nil {
			return nil, fmt.Errorf("read deleted file %s: %w", g.Path, err)
		}
		c.Extents = append(c.Extents, fastcr.GhostExtent{Off: uint64(data), Data: buf})
		off = hole
	}
	return c, nil
}

func preadFull(fd int, buf []byte, off int64) error {
	for len(buf) > 0 {
		n, err := unix.Pread(fd, buf, off)
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.New("the file became shorter")
		}
		buf, off = buf[n:], off+int64(n)
	}
	return nil
}

// Close lets go of the file.
func (g *Ghost) Close() { unix.Close(g.fd) }
