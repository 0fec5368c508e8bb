package loader

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A seq_file of the kernel's BPF iterators hands out at most this much at once
// (bpf_seq_read: PAGE_SIZE << 3), and only whole program calls.
var seqSize = unix.Getpagesize() << 3

// idleMost is how often in a row an iterator may give nothing.
const idleMost = 10000

// reader is one iterator over one thread group.
type reader struct {
	pid int
	fd  int // -1: read to its end, or never opened
}

// open makes a fresh iterator, which can be read once.
func (r *reader) open(progFD int) error {
	r.close()
	fd, err := createIter(progFD, r.pid)
	if err != nil {
		return err
	}
	r.fd = fd
	return nil
}

func (r *reader) close() {
	if r.fd >= 0 {
		_ = unix.Close(r.fd)
		r.fd = -1
	}
}

// recEnd is the type of the mark that a program leaves when its iterator is done.
const recEnd = 127

// isEnd tells whether buf, of whole records, ends in that mark.
func isEnd(buf []byte) bool {
	if len(buf) < headSize {
		return false
	}
	last := buf[len(buf)-headSize:]
	if recordType(last) != recEnd || recordLen(last) != headSize {
		return false
	}
	// It may be the last bytes of another record: walk from the first.
	for len(buf) > headSize {
		n := recordLen(buf)
		if n < headSize || n >= uint32(len(buf)) {
			return false
		}
		buf = buf[n:]
	}
	return len(buf) == headSize
}

// read reads the iterator to its end into a. It makes no call but read(2) as
// long as the arena is large enough.
func (r *reader) read(a *arena) error {
	for idle := 0; idle < idleMost; {
		p := a.room()
		n, errno := readInto(r.fd, p)
		switch {
		case errno == 0 && n == 0:
			return nil
		case errno == 0:
			if isEnd(p[:n]) {
				a.take(n - headSize)
				return nil
			}
			a.take(n)
			idle = 0
		case errno == unix.EAGAIN || errno == unix.EINTR:
			// EAGAIN: a million objects went by without output, or the
			// program found no memory and asks to be called again
			idle++
		default:
			return fmt.Errorf("read iterator of pid %d: %w", r.pid, errno)
		}
	}
	return fmt.Errorf("read iterator of pid %d: %w", r.pid, unix.EAGAIN)
}
