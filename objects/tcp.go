package objects

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// Options of TCP's repair mode (linux/tcp.h).
const (
	repairOn       = 1
	repairOffQuiet = -1 // without a probe to the peer
	noQueue        = 0
	sendQueue      = 2
)

// RepairList is told of every socket that is in repair mode, see freeze.Repairs.
type RepairList interface {
	Begin(pid, fd int, reuseaddr bool) error
	End()
}

// errUnsteady says that a connection is not what it was a moment ago.
var errUnsteady = errors.New("its queues change")

// IsUnsteady tells whether a connection changed while it was asked.
func IsUnsteady(err error) bool { return errors.Is(err, errUnsteady) }

// slack is what the send queue may hold more than what is not acknowledged: part of the
// first segment is. In bytes, a segment of the largest size.
const slack = 64 << 10

// QueuesSize is how many bytes of memory TCPQueues needs for a connection.
func QueuesSize(s *fastcr.TCPState) int {
	n := s.Received()
	if unacked := s.Unacked(); unacked > 0 {
		n += unacked + slack
	}
	return n
}

// TCPQueues reads what waits in both queues of the connection behind fd of pid into mem of
// QueuesSize bytes, and consumes nothing. Only bytes to be sent need the repair mode,
// a few microseconds, which list is told of. reuseaddr is the socket's SO_REUSEADDR. The
// connection must stand still: frozen, with its peer's packets held.
func (a *Asker) TCPQueues(pid, fd int, s *fastcr.TCPState, reuseaddr bool, list RepairList, mem []byte) (q fastcr.TCPQueues, err error) {
	dup, err := a.Dup(pid, fd)
	if err != nil {
		return q, err
	}
	defer unix.Close(dup)
	if n := s.Received(); n > 0 {
		if q.Received, err = peekAll(dup, mem[:n:n]); err != nil {
			return q, fmt.Errorf("receive queue of TCP socket, pid %d fd %d: %w", pid, fd, err)
		}
		mem = mem[n:]
	}
	if n := s.Unacked(); n > 0 {
		if q.Unacked, err = a.peekSent(dup, holder{pid, fd, reuseaddr}, list, mem, n); err != nil {
			return q, fmt.Errorf("send queue of TCP socket, pid %d fd %d: %w", pid, fd, err)
		}
	}
	return q, nil
}

// holder is a descriptor of the target's and its SO_REUSEADDR.
type holder struct {
	pid, fd   int
	reuseaddr bool
}

// peekAll fills mem from the receive queue's head.
func peekAll(fd int, mem []byte) ([]byte, error) {
	n, _, err := unix.Recvfrom(fd, mem, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) || err == nil && n != len(mem) {
		return nil, fmt.Errorf("%w: %d bytes instead of %d", errUnsteady, max(n, 0), len(mem))
	}
	return mem, err
}

// peekSent reads the last n bytes of the send queue.
func (a *Asker) peekSent(fd int, h holder, list RepairList, mem []byte, n int) (sent []byte, err error) {
	if err := list.Begin(h.pid, h.fd, h.reuseaddr); err != nil {
		return nil, err
	}
	defer func() {
		e := EndRepair(fd, h.reuseaddr)
		if e == nil {
			list.End()
		}
		err = errors.Join(err, e)
	}()
	if err := BeginRepair(fd); err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR_QUEUE, sendQueue); err != nil {
		return nil, err
	}
	got, _, err := unix.Recvfrom(fd, mem, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	// At once: as long as this queue is chosen, the kernel takes what an ACK lets it send for sent.
	if e := unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR_QUEUE, noQueue); err == nil {
		err = e
	}
	if errors.Is(err, unix.EFAULT) || err == nil && got < n {
		return nil, errUnsteady
	}
	if err != nil {
		return nil, err
	}
	return mem[got-n : got : got], nil
}

// BeginRepair puts a socket into repair mode: closed in it, it is gone without a word to the peer.
func BeginRepair(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR, repairOn); err != nil {
		return fmt.Errorf("repair mode: %w", err)
	}
	return nil
}

// EndRepair ends it, and sets SO_REUSEADDR again, which that takes away.
func EndRepair(fd int, reuseaddr bool) error {
	err := unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR, repairOffQuiet)
	if err == nil && reuseaddr {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err != nil {
		return fmt.Errorf("end repair mode: %w", err)
	}
	return nil
}
