package memory

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// releaseStep is after how many written bytes their memory is given back.
const releaseStep = 32 << 20

// WriteTo appends the bytes of src's runs, in order, to f. The pages are given back
// while they are written, so that images in a tmpfs do not need memory twice: it can be
// called once after a Copy.
func (c *Copier) WriteTo(src *Source, f *os.File) error {
	if src.written {
		return fmt.Errorf("write %v: written before", src)
	}
	src.written = true
	for _, k := range src.kept {
		if err := c.writeSpan(f, k); err != nil {
			return fmt.Errorf("write %v: %w", src, err)
		}
	}
	return nil
}

func (c *Copier) writeSpan(f *os.File, k span) error {
	for k.bytes > 0 {
		mem := c.at(k.off)
		if mem == nil {
			return c.spill.moveTo(f, k.off, k.bytes)
		}
		mem = mem[:min(uint64(len(mem)), k.bytes, releaseStep)]
		if _, err := f.Write(mem); err != nil {
			return err
		}
		_ = unix.Madvise(mem, unix.MADV_DONTNEED) // else it is freed with the buffer
		k.off, k.bytes = k.off+uint64(len(mem)), k.bytes-uint64(len(mem))
	}
	return nil
}

// copyRange appends n bytes of src from off on to dst, inside the kernel where it can
// (copy_file_range; file systems that share blocks copy none).
func copyRange(dst, src *os.File, off, n int64) error {
	if _, err := src.Seek(off, io.SeekStart); err != nil {
		return err
	}
	// A LimitedReader is the form for which ReadFrom uses copy_file_range.
	m, err := dst.ReadFrom(&io.LimitedReader{R: src, N: n})
	if err == nil && m != n {
		err = fmt.Errorf("copied %d of %d bytes", m, n)
	}
	return err
}
