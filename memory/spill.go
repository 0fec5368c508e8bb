package memory

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Spill is the file that takes the pages beyond the memory limit while the
// target is frozen. It has no name.
type Spill struct {
	f    *os.File
	fd   int
	from uint64 // offset in the whole copy from which on pages go to the file; the file begins with it
}

// NewSpill makes a nameless file in dir for the bytes of the copy from offset from on.
func NewSpill(dir string, from uint64) (*Spill, error) {
	from = from / PageSize * PageSize
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		f, err := os.CreateTemp(dir, ".spill-*")
		if err != nil {
			return nil, fmt.Errorf("make a file for pages beyond the memory limit: %w", err)
		}
		if err := os.Remove(f.Name()); err != nil {
			f.Close()
			return nil, fmt.Errorf("make a file for pages beyond the memory limit: %w", err)
		}
		return &Spill{f: f, fd: int(f.Fd()), from: from}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("make a file for pages beyond the memory limit in %s: %w", dir, err)
	}
	return &Spill{f: os.NewFile(uintptr(fd), dir+"/(spill)"), fd: fd, from: from}, nil
}

// Reserve has the file system set aside room for a copy of total bytes, so that a full disk
// is found before the freeze, and blocks need not be found in it.
func (s *Spill) Reserve(total uint64) error {
	if total <= s.from {
		return nil
	}
	err := unix.Fallocate(s.fd, unix.FALLOC_FL_KEEP_SIZE, 0, int64(total-s.from))
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("reserve %d bytes for pages beyond the memory limit: %w", total-s.from, err)
	}
	return nil
}

// write stores bytes of the copy that begin at off.
func (s *Spill) write(off uint64, b []byte) error {
	at := int64(off - s.from)
	for len(b) > 0 { // not by os.File, which may allocate
		n, err := unix.Pwrite(s.fd, b, at)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("write pages beyond the memory limit: %w", err)
		}
		n = max(n, 0)
		b, at = b[n:], at+int64(n)
	}
	return nil
}

// moveTo appends n bytes of the copy, from off on, to f, and gives their room back.
func (s *Spill) moveTo(f *os.File, off, n uint64) error {
	at := int64(off - s.from)
	for n > 0 {
		part := min(n, releaseStep)
		if err := copyRange(f, s.f, at, int64(part)); err != nil {
			return err
		}
		// The pages must not need room twice. Where holes cannot be made, they do.
		_ = unix.Fallocate(s.fd, unix.FALLOC_FL_KEEP_SIZE|unix.FALLOC_FL_PUNCH_HOLE, at, int64(part))
		at, n = at+int64(part), n-part
	}
	return nil
}

// Close gives the file back.
func (s *Spill) Close() { s.f.Close() }
