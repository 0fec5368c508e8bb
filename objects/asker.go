// Package objects asks open files what only they can tell: the bytes in a pipe,
// the queue of a socket, the content of a deleted file. It works on duplicates
// taken with pidfd_getfd(2): the same open file, no code in the target, and what
// the file holds is intact afterwards.
package objects

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Asker holds what the questions need, made before the freeze: a pidfd a
// process and a scratch pipe. It is not safe for concurrent use.
type Asker struct {
	pidfds  map[int]int
	scratch [2]int // a pipe that tee(2) fills
	size    int    // bytes the scratch pipe holds
	buf     []byte

	received []int // descriptors that came out of queues
}

// NewAsker opens a pidfd for every pid and a scratch pipe of at least pipeBytes.
func NewAsker(pids []int, pipeBytes int) (*Asker, error) {
	a := &Asker{pidfds: make(map[int]int, len(pids)), scratch: [2]int{-1, -1}}
	for _, pid := range pids {
		if err := a.Add(pid); err != nil {
			a.Close()
			return nil, err
		}
	}
	if err := a.grow(pipeBytes); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Add opens a pidfd for one more process. A process that is gone is left out:
// it has no open files any more.
func (a *Asker) Add(pid int) error {
	if _, ok := a.pidfds[pid]; ok {
		return nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pidfd_open of %d: %w", pid, err)
	}
	a.pidfds[pid] = fd
	return nil
}

// Dup duplicates fd of process pid into fastcr (pidfd_getfd). The caller closes it.
func (a *Asker) Dup(pid, fd int) (int, error) {
	pidfd, ok := a.pidfds[pid]
	if !ok {
		return -1, fmt.Errorf("pid %d fd %d: no pidfd was opened", pid, fd)
	}
	dup, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		return -1, fmt.Errorf("pidfd_getfd of pid %d fd %d: %w", pid, fd, err)
	}
	return dup, nil
}

// grow makes the scratch pipe and the buffer at least n bytes large.
func (a *Asker) grow(n int) error {
	if n <= a.size {
		return nil
	}
	if a.scratch[0] < 0 {
		if err := unix.Pipe2(a.scratch[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			return fmt.Errorf("make a scratch pipe: %w", err)
		}
	}
	size, err := unix.FcntlInt(uintptr(a.scratch[1]), unix.F_SETPIPE_SZ, n)
	if err != nil {
		return fmt.Errorf("scratch pipe of %d bytes: %w", n, err)
	}
	a.size = size
	a.buf = make([]byte, size)
	return nil
}

// Close lets go of everything.
func (a *Asker) Close() {
	a.CloseReceived()
	for _, fd := range a.pidfds {
		unix.Close(fd)
	}
	clear(a.pidfds)
	for i, fd := range a.scratch {
		if fd >= 0 {
			unix.Close(fd)
			a.scratch[i] = -1
		}
	}
}
