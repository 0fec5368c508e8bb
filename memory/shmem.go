package memory

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Shm is a shared anonymous memory object: MAP_SHARED|MAP_ANONYMOUS. It may be
// larger than any mapping and belong to several processes, so it is read once,
// as a file. Runs are offsets into the object.
type Shm struct {
	Runs []Run
	f    *os.File
	buf  *Buffer
	used uint64
}

// OpenShm opens the object that pid maps at [start, end) through /proc/PID/map_files and
// makes room for its pages; call it before the freeze.
func OpenShm(pid int, start, end uint64) (*Shm, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/map_files/%x-%x", pid, start, end))
	if err != nil {
		return nil, fmt.Errorf("open shared memory of %d: %w", pid, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		f.Close()
		return nil, fmt.Errorf("stat shared memory of %d at %#x: %w", pid, start, err)
	}
	have := uint64(st.Blocks) * 512
	buf, err := NewBuffer(uint64(st.Size), min(have+have/16+1<<20, uint64(st.Size)), 1)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Shm{f: f, buf: buf, Runs: make([]Run, 0, 1024)}, nil
}

// Copy reads every page that the object has, in memory or in swap (SEEK_DATA).
func (s *Shm) Copy() error {
	s.Runs, s.used = s.Runs[:0], 0
	fd := int(s.f.Fd())
	size, err := unix.Seek(fd, 0, unix.SEEK_END)
	if err != nil {
		return fmt.Errorf("size of shared memory: %w", err)
	}
	mem := s.buf.bytes()
	for off := int64(0); off < size; {
		data, err := unix.Seek(fd, off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return fmt.Errorf("find data of shared memory: %w", err)
		}
		if off, err = unix.Seek(fd, data, unix.SEEK_HOLE); err != nil {
			return fmt.Errorf("find holes of shared memory: %w", err)
		}
		n := roundUp(uint64(off-data), PageSize)
		if s.used+n > uint64(len(mem)) {
			return fmt.Errorf("shared memory grew to %d bytes", size)
		}
		if err := preadAll(fd, mem[s.used:s.used+uint64(off-data)], data); err != nil {
			return fmt.Errorf("read shared memory: %w", err)
		}
		s.Runs = appendRun(s.Runs, uint64(data), uint64(data)+n)
		s.used += n
	}
	return nil
}

func preadAll(fd int, b []byte, off int64) error {
	for len(b) > 0 {
		n, err := unix.Pread(fd, b, off)
		if err != nil {
			return err
		}
		if n == 0 {
			return unix.EIO
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// Pages is how many pages the last Copy read.
func (s *Shm) Pages() uint64 { return countPages(s.Runs) }

// WriteTo writes the pages in the order of Runs.
func (s *Shm) WriteTo(f *os.File) error {
	if _, err := f.Write(s.buf.bytes()[:s.used]); err != nil {
		return fmt.Errorf("write shared memory: %w", err)
	}
	return nil
}

// Close gives the object and its copy back.
func (s *Shm) Close() {
	s.f.Close()
	s.buf.Free()
}
