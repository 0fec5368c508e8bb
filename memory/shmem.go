package memory

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Shm is a shared memory object: MAP_SHARED|MAP_ANONYMOUS, a System V segment, a memfd. It
// may be larger than any mapping and belong to several processes, so it is read once, as a
// file. As a Source its Runs are offsets into the object, and Copier copies it like a process.
type Shm struct {
	*Source
	Dev, Ino uint64 // of the object, as fstat(2) gives them
}

// OpenShm opens the object that pid maps at [start, end), exactly one mapping, through
// /proc/PID/map_files; call it before the freeze.
func OpenShm(pid int, start, end uint64) (*Shm, error) {
	return openShm(pid, fmt.Sprintf("/proc/%d/map_files/%x-%x", pid, start, end))
}

// OpenMemfd opens the object that pid has open at a descriptor, anew: a duplicate would
// share its position.
func OpenMemfd(pid, fd int) (*Shm, error) {
	return openShm(pid, fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
}

func openShm(pid int, path string) (*Shm, error) {
	const flags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK // who has a lease is not waited for
	fd, err := unix.Open(path, flags|unix.O_NOATIME, 0)
	if errors.Is(err, unix.EPERM) { // somebody else's, without CAP_FOWNER
		fd, err = unix.Open(path, flags, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("open shared memory %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("stat shared memory %s: %w", path, err)
	}
	s := &Source{PID: pid, fd: fd, object: true, Runs: make([]Run, 0, 1024), kept: make([]span, 0, 1)}
	return &Shm{Source: s, Dev: st.Dev, Ino: st.Ino}, nil
}

// Scan finds the pages that the object has, in memory or in swap (SEEK_DATA, SEEK_HOLE): those
// that CRIU dumps. hugetlb objects do not tell holes: all their pages count.
func (s *Shm) Scan() error {
	s.Runs = s.Runs[:0]
	size, err := unix.Seek(s.fd, 0, unix.SEEK_END)
	if err != nil {
		return fmt.Errorf("size of %v: %w", s, err)
	}
	for off := int64(0); off < size; {
		data, err := unix.Seek(s.fd, off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return fmt.Errorf("find data of %v at offset %#x: %w", s, off, err)
		}
		hole, err := unix.Seek(s.fd, data, unix.SEEK_HOLE)
		if errors.Is(err, unix.ENXIO) { // cut in this moment
			break
		}
		if err != nil {
			return fmt.Errorf("find holes of %v at offset %#x: %w", s, data, err)
		}
		s.Runs = appendRun(s.Runs, uint64(data)/PageSize*PageSize, roundUp(uint64(hole), PageSize))
		off = hole
	}
	return nil
}
