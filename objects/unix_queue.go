package objects

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// What a queued message may have that no image keeps.
var (
	errRights  = errors.New("a queued message carries open files (SCM_RIGHTS)")
	errControl = errors.New("a queued message carries credentials or other control data (SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD)")
	errEmpty   = errors.New("a message of no bytes is queued")
)

// errSmall says that a message is longer than the buffer.
type errSmall int

func (e errSmall) Error() string { return fmt.Sprintf("a queued message has %d bytes", int(e)) }

// maxMessage bounds one peeked message, in bytes: the kernel's default limit of
// a unix socket's buffers is far below.
const maxMessage = 16 << 20

// SocketQueue reads the receive queue of the unix socket behind fd of pid without
// consuming it: SO_PEEK_OFF moves a cursor through the queue. SO_PEEK_OFF is the
// target's own setting and is put back. stream tells that messages may be merged,
// messages how many wait. A nil queue is an empty one.
func (a *Asker) SocketQueue(pid, fd int, stream bool, messages int) (*fastcr.SocketQueue, error) {
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
	if !stream && err == nil && countPackets(q) != messages {
		err = errEmpty // it was peeked before, and is passed over then
	}
	if err != nil {
		if errors.Is(err, errRights) || errors.Is(err, errControl) || errors.Is(err, errEmpty) {
			return nil, &fastcr.RefusedError{PID: pid, FD: fd, Object: "unix socket", Reason: err.Error(),
				Advice: "let the program receive it, then dump again"}
		}
		return nil, fmt.Errorf("peek into socket queue, pid %d fd %d: %w", pid, fd, err)
	}
	return q, nil
}

func countPackets(q *fastcr.SocketQueue) int {
	if q == nil {
		return 0
	}
	return len(q.Packets)
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
	size := max(queued, 4096) + 4096 // queued is the first message's where they are not merged
	for {
		packets, err := peekAll(fd, min(size, maxMessage), stream)
		var small errSmall
		if errors.As(err, &small) && int(small) <= maxMessage {
			size = int(small)
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, 0); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil || len(packets) == 0 {
			return nil, err
		}
		return &fastcr.SocketQueue{Packets: packets, PeekOff: int32(off)}, nil
	}
}

// peekAll peeks messages of at most size bytes from the cursor to the queue's end.
func peekAll(fd, size int, stream bool) (packets []fastcr.SocketPacket, err error) {
	buf, oob := make([]byte, size), make([]byte, 4096)
	ask := unix.MSG_PEEK | unix.MSG_DONTWAIT | unix.MSG_CMSG_CLOEXEC
	if !stream {
		ask |= unix.MSG_TRUNC // say how long it is
	}
	for {
		n, oobn, flags, from, err := unix.Recvmsg(fd, buf, oob, ask)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return packets, nil
		case err != nil:
			return nil, err
		case closeRights(oob[:oobn]) || flags&unix.MSG_CTRUNC != 0:
			return nil, errRights
		case oobn > 0:
			return nil, errControl
		case n > len(buf):
			return nil, errSmall(n)
		case n == 0 && stream: // end of file, not a message
			return packets, nil
		case n == 0:
			// It may be the end of a sequence of packets as well. And it does not
			// move the cursor: the peek would find it again for ever.
			return packets, nil
		}
		p := fastcr.SocketPacket{Data: append([]byte(nil), buf[:n]...)}
		if name, ok := from.(*unix.SockaddrUnix); ok {
			p.From = name.Name
		}
		packets = append(packets, p)
	}
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
