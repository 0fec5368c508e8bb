package objects

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// PipeContent reads what is queued in the pipe or FIFO behind fd of pid, without
// consuming it: tee(2) into the scratch pipe, at most a few microseconds. ino is
// the pipe's inode number, CRIU's pipe_id. A nil content is an empty pipe.
// writeOnly says that fd is a write end: the pipe is then opened again for reading.
func (a *Asker) PipeContent(pid, fd int, writeOnly bool) (content *fastcr.PipeContent, ino uint64, err error) {
	dup, err := a.Dup(pid, fd)
	if err != nil {
		return nil, 0, err
	}
	defer func() { unix.Close(dup) }()
	queued, err := unix.IoctlGetInt(dup, unix.TIOCINQ)
	if err != nil {
		return nil, 0, fmt.Errorf("bytes queued in pipe, pid %d fd %d: %w", pid, fd, err)
	}
	if queued == 0 {
		return nil, 0, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(dup, &st); err != nil {
		return nil, 0, fmt.Errorf("stat pipe, pid %d fd %d: %w", pid, fd, err)
	}
	if writeOnly {
		reader, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", dup), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, 0, fmt.Errorf("open read end of pipe, pid %d fd %d: %w", pid, fd, err)
		}
		unix.Close(dup)
		dup = reader
	}
	data, err := a.tee(dup, queued)
	if err != nil {
		return nil, 0, fmt.Errorf("peek into pipe, pid %d fd %d: %w", pid, fd, err)
	}
	return &fastcr.PipeContent{Data: data}, st.Ino, nil
}

// tee copies queued bytes of the pipe behind fd.
func (a *Asker) tee(fd, queued int) ([]byte, error) {
	// A pipe counts buffers, not bytes: the scratch pipe needs as many slots.
	ring, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return nil, err
	}
	if err := a.grow(ring); err != nil {
		return nil, err
	}
	n, err := unix.Tee(fd, a.scratch[1], queued, unix.SPLICE_F_NONBLOCK)
	if err != nil {
		return nil, err
	}
	if int(n) != queued {
		return nil, fmt.Errorf("tee moved %d of %d bytes", n, queued)
	}
	data := make([]byte, 0, queued)
	for len(data) < queued {
		// In packet mode a read ends at the packet's end.
		m, err := unix.Read(a.scratch[0], a.buf[:min(len(a.buf), queued-len(data))])
		if err != nil {
			return nil, err
		}
		data = append(data, a.buf[:m]...)
	}
	return data, nil
}
