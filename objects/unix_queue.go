package objects

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// errRights says that a queued message carries open files.
var errRights = errors.New("a queued message carries open files (SCM_RIGHTS)")

// maxMessage bounds one peeked message, in bytes: the kernel's default limit of
// a unix socket's buffers is far below.
const maxMessage = 16 << 20

// SocketQueue reads the receive queue of the unix socket behind fd of pid without
// consuming it: SO_PEEK_OFF moves a cursor through the queue. SO_PEEK_OFF is the
// target's own setting and is put back. stream tells that messages may be merged.
// A nil queue is an empty one.
func (a *Asker) SocketQueue(pid, fd int, stream bool) (*fastcr.SocketQueue, error) {
	dup, err := a.Dup(pid, fd)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dup)
	queued, err := unix.IoctlGetInt(dup, unix.SIOCINQ)
	if err != nil {
		if errors.Is(err, unix.EINVAL) { // a listening socket has no byte queue
			return nil, nil
		}
		return nil, fmt.Errorf("bytes queued in socket, pid %d fd %d: %w", pid, fd, err)
	}
	if queued == 0 && stream {
		return nil, nil
	}
	q, err := peekQueue(dup, queued, stream)
	if err != nil {
		if errors.Is(err, errRights) {
			return nil, &fastcr.RefusedError{PID: pid, FD: fd, Object: "unix socket", Reason: err.Error(),
				Advice: "let the program receive it, then dump again"}
		}
		return nil, fmt.Errorf("peek into socket queue, pid %d fd %d: %w", pid, fd, err)
	}
	return q, nil
}

func peekQueue(fd, queued int, stream bool) (q *fastcr.SocketQueue, err error) {
	off, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF)
	if err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, 0); err != nil {
		return nil, err
	}
	defer func() {
		if e := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, off); err == nil {
			err = e
		}
	}()
	q = &fastcr.SocketQueue{PeekOff: int32(off)}
	buf := make([]byte, min(max(queued, 4096)+4096, maxMessage))
	oob := make([]byte, 4096)
	for {
		n, oobn, flags, _, err := unix.Recvmsg(fd, buf, oob, unix.MSG_PEEK|unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			return nil, err
		}
		if closeRights(oob[:oobn]) || flags&unix.MSG_CTRUNC != 0 {
			return nil, errRights
		}
		if flags&unix.MSG_TRUNC != 0 {
			return nil, fmt.Errorf("a queued message is larger than %d bytes", len(buf))
		}
		if n == 0 && stream { // end of file, not a message
			break
		}
		q.Packets = append(q.Packets, append([]byte(nil), buf[:n]...))
		if n == 0 {
			// A zero-length datagram does not move the cursor: the peek would
			// find it again for ever.
			return nil, errors.New("a zero-length datagram is queued")
		}
	}
	if len(q.Packets) == 0 {
		return nil, nil
	}
	return q, nil
}

// closeRights closes the descriptors that a peek has brought in and reports
// whether there were any.
func closeRights(oob []byte) bool {
	found := false
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return false
	}
	for i := range msgs {
		fds, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			continue
		}
		found = true
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
	return found
}
