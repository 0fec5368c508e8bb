package memory

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Spill is the file that takes the pages beyond the memory limit while the
// target is frozen. It has no name.
type Spill struct {
	f    *os.File
	from uint64 // offset in the whole copy from which on chunks go to the file
}

// NewSpill makes a nameless file in dir for the bytes of the copy from offset from on.
func NewSpill(dir string, from uint64) (*Spill, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		f, err := os.CreateTemp(dir, ".spill-*")
		if err != nil {
			return nil, fmt.Errorf("make a file for pages beyond the memory limit: %w", err)
		}
		return &Spill{f: f, from: from}, os.Remove(f.Name())
	}
	if err != nil {
		return nil, fmt.Errorf("make a file for pages beyond the memory limit in %s: %w", dir, err)
	}
	return &Spill{f: os.NewFile(uintptr(fd), dir+"/(spill)"), from: from}, nil
}

// write stores bytes of the copy that begin at off.
func (s *Spill) write(off uint64, b []byte) error {
	if _, err := s.f.WriteAt(b, int64(off)); err != nil {
		return fmt.Errorf("write pages beyond the memory limit: %w", err)
	}
	return nil
}

// Close gives the file back.
func (s *Spill) Close() { s.f.Close() }

// WriteTo writes the bytes of src's runs, in order, to f.
func (c *Copier) WriteTo(src *Source, f *os.File) error {
	mem := c.buf.bytes()
	inMemory := uint64(len(mem))
	if c.spill != nil {
		inMemory = c.spill.from
	}
	for _, k := range c.chunks {
		if k.src != src {
			continue
		}
		var err error
		if k.off+k.bytes <= inMemory {
			_, err = f.Write(mem[k.off : k.off+k.bytes])
		} else {
			err = copyRange(f, c.spill.f, int64(k.off), int64(k.bytes))
		}
		if err != nil {
			return fmt.Errorf("write pages of %d: %w", src.PID, err)
		}
	}
	return nil
}

// copyRange appends n bytes of src from off on to dst.
func copyRange(dst, src *os.File, off, n int64) error {
	if _, err := src.Seek(off, 0); err != nil {
		return err
	}
	m, err := dst.ReadFrom(limited(src, n))
	if err == nil && m != n {
		err = fmt.Errorf("copied %d of %d bytes", m, n)
	}
	return err
}

// limited is the next n bytes of f, in the form for which ReadFrom uses copy_file_range.
func limited(f *os.File, n int64) *io.LimitedReader { return &io.LimitedReader{R: f, N: n} }
