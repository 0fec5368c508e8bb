package memory

import (
	"errors"
	"fmt"
	"sort"

	"golang.org/x/sys/unix"
)

// Source is where pages come from: a process, or an object that is read as a file.
type Source struct {
	PID  int     // of an object: of the process that it was opened through
	Runs []Run   // ascending; what Copy copies
	Cow  []Range // ascending; what of Runs other processes share, see Scanner.Cow

	fd     int  // of /proc/PID/mem, or of the object
	object bool // Runs are offsets into fd

	off, bytes uint64 // place of its pages in the whole copy
	kept       []span // what of that belongs to Runs
	written    bool
}

// NewSource opens /proc/PID/mem, which reads the pages that process_vm_readv
// refuses: PROT_NONE and write-only ones. Call it before the freeze.
func NewSource(pid int) (*Source, error) {
	s := &Source{PID: pid, kept: make([]span, 0, 1)}
	var err error
	s.fd, err = openProc(pid, "mem")
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Pages is how many pages the source's runs have.
func (s *Source) Pages() uint64 { return countPages(s.Runs) }

// Close closes the source's file.
func (s *Source) Close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

func (s *Source) String() string {
	if s.object {
		return fmt.Sprintf("shared memory of %d", s.PID)
	}
	return fmt.Sprintf("memory of %d", s.PID)
}

// read fills dst with the pages that iovs name. iovs is used up.
func (s *Source) read(dst []byte, iovs []unix.RemoteIovec, local *[1]unix.Iovec) error {
	if !s.object && len(s.Cow) == 0 {
		return s.readOwn(dst, iovs, local)
	}
	for i, iov := range iovs {
		var err error
		if s.object {
			err = s.readObject(dst[:iov.Len], int64(iov.Base))
		} else {
			err = s.readForked(dst[:iov.Len], iovs[i:i+1], local)
		}
		if err != nil {
			return err
		}
		dst = dst[iov.Len:]
	}
	return nil
}

// readForked reads the pages that one iov names, those in Cow through /proc/PID/mem.
func (s *Source) readForked(dst []byte, iov []unix.RemoteIovec, local *[1]unix.Iovec) error {
	at := uint64(iov[0].Base)
	i := sort.Search(len(s.Cow), func(i int) bool { return s.Cow[i].End > at })
	for len(dst) > 0 {
		cow := Range{Start: at + uint64(len(dst))}
		if i < len(s.Cow) {
			cow = s.Cow[i]
		}
		var err error
		var n uint64
		if at < cow.Start {
			n = min(cow.Start-at, uint64(len(dst)))
			iov[0] = unix.RemoteIovec{Base: uintptr(at), Len: int(n)}
			err = s.readOwn(dst[:n], iov, local)
		} else {
			n = min(cow.End-at, uint64(len(dst)))
			err = s.readMem(dst[:n], int64(at))
			i++
		}
		if err != nil {
			return err
		}
		dst, at = dst[n:], at+n
	}
	return nil
}

// readOwn reads with process_vm_readv.
func (s *Source) readOwn(dst []byte, iovs []unix.RemoteIovec, local *[1]unix.Iovec) error {
	for len(iovs) > 0 {
		local[0].Base = &dst[0]
		local[0].SetLen(len(dst))
		n, err := unix.ProcessVMReadv(s.PID, local[:], iovs, 0)
		if err != nil && !errors.Is(err, unix.EFAULT) {
			return fmt.Errorf("read %v at %#x: %w", s, iovs[0].Base, err)
		}
		n = max(n, 0)
		dst = dst[n:]
		if iovs = advance(iovs, n); len(iovs) == 0 {
			break
		}
		// It stopped before a page that the process itself may not read.
		iov := iovs[0]
		if err := s.readMem(dst[:iov.Len], int64(iov.Base)); err != nil {
			return err
		}
		dst, iovs = dst[iov.Len:], iovs[1:]
	}
	return nil
}

// advance leaves out the first n bytes of iovs.
func advance(iovs []unix.RemoteIovec, n int) []unix.RemoteIovec {
	for len(iovs) > 0 && n >= iovs[0].Len {
		n -= iovs[0].Len
		iovs = iovs[1:]
	}
	if n > 0 {
		iovs[0].Base += uintptr(n)
		iovs[0].Len -= n
	}
	return iovs
}

// readMem reads through /proc/PID/mem, which is several times slower and reads
// what the process may not.
func (s *Source) readMem(dst []byte, at int64) error {
	for len(dst) > 0 {
		n, err := unix.Pread(s.fd, dst, at)
		if err == nil && n == 0 {
			// The file is that of an address space that an execve ended.
			n, err = s.readMemAnew(dst, at)
		}
		if err != nil {
			return fmt.Errorf("read /proc/%d/mem at %#x: %w", s.PID, at, err)
		}
		dst, at = dst[n:], at+int64(n)
	}
	return nil
}

func (s *Source) readMemAnew(dst []byte, at int64) (int, error) {
	fd, err := openProc(s.PID, "mem")
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd) // workers share the source: the old one stays
	n, err := unix.Pread(fd, dst, at)
	if n == 0 && err == nil {
		err = unix.ESRCH
	}
	return n, err
}

// readObject reads a shared object. Behind its end there are zeros: it may have been
// cut since it was scanned, by a process that is not frozen, and may end within a page.
func (s *Source) readObject(dst []byte, at int64) error {
	for len(dst) > 0 {
		n, err := unix.Pread(s.fd, dst, at)
		if err != nil {
			return fmt.Errorf("read %v at offset %#x: %w", s, at, err)
		}
		if n == 0 {
			clear(dst)
			return nil
		}
		dst, at = dst[n:], at+int64(n)
	}
	return nil
}
