package objects

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// What a queued message may have that no image keeps.
var (
	errControl = errors.New("a queued message carries credentials or other control data (SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD)")
	errEmpty   = errors.New("a message of no bytes with open files is queued")
	errMany    = errors.New("very many messages with open files are queued")
	errUnseen  = errors.New("a message is queued that a look at the queue does not show")
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
// messages how many wait, hard which of them a peek does not show the whole of. A nil queue
// is an empty one. Open files that travel with a message arrive as descriptors of fastcr's
// own, which CloseReceived closes.
func (a *Asker) SocketQueue(pid, fd int, stream bool, messages int, hard []fastcr.HardMessage) (*fastcr.SocketQueue, error) {
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
	p := peeker{asker: a, fd: dup, stream: stream, hard: hard, oob: make([]byte, 4096)}
	q, err := p.queue(queued)
	if !stream && err == nil && q.Len() != messages {
		err = errUnseen
	}
	for _, refused := range []error{errControl, errEmpty, errMany, errUnseen} {
		if errors.Is(err, refused) {
			return nil, &fastcr.RefusedError{PID: pid, FD: fd, Object: "unix socket", Reason: err.Error(),
				Advice: "let the program receive it, then dump again"}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("peek into socket queue, pid %d fd %d: %w", pid, fd, err)
	}
	return q, nil
}

// peeker looks through one socket's queue.
type peeker struct {
	asker    *Asker
	fd       int
	stream   bool
	hard     []fastcr.HardMessage
	buf, oob []byte
}

// queue reads all that waits; queued is bytes, those of the first message where they are not merged.
func (p *peeker) queue(queued int) (q *fastcr.SocketQueue, err error) {
	for _, m := range p.hard {
		if m.More {
			return nil, errMany
		}
		if m.Len == 0 && m.Rights {
			return nil, errEmpty
		}
	}
	off, err := unix.GetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := p.seek(off); err == nil {
			err = e
		}
	}()
	size := max(queued, 4096) + 4096
	for {
		p.buf = make([]byte, min(size, maxMessage))
		read := p.messages
		if p.stream {
			read = p.pieces
		}
		packets, err := read()
		var small errSmall
		if errors.As(err, &small) && int(small) <= maxMessage {
			size = int(small)
			continue
		}
		if err != nil || len(packets) == 0 {
			return nil, err
		}
		return &fastcr.SocketQueue{Packets: packets, PeekOff: int32(off)}, nil
	}
}

// seek moves the cursor to so many bytes from the queue's head.
func (p *peeker) seek(bytes int) error {
	return unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, bytes)
}

// errNothing says that nothing waits beyond the cursor.
var errNothing = errors.New("nothing waits")

// peek reads at most n bytes at the cursor.
func (p *peeker) peek(n int) (fastcr.SocketPacket, error) {
	var packet fastcr.SocketPacket
	ask := unix.MSG_PEEK | unix.MSG_DONTWAIT | unix.MSG_CMSG_CLOEXEC
	if !p.stream {
		ask |= unix.MSG_TRUNC // say how long it is
	}
	got, oobn, flags, from, err := unix.Recvmsg(p.fd, p.buf[:n], p.oob, ask)
	if errors.Is(err, unix.EAGAIN) {
		return packet, errNothing
	}
	if err != nil {
		return packet, err
	}
	var other bool
	packet.FDs, other = rights(p.oob[:oobn])
	p.asker.received = append(p.asker.received, packet.FDs...)
	switch {
	case flags&unix.MSG_CTRUNC != 0:
		return packet, fmt.Errorf("open files in a message: %w", unix.EMFILE)
	case other:
		return packet, errControl
	case got > n:
		return packet, errSmall(got)
	case got == 0:
		// The end of file of a stream, or of a sequence of packets; or an empty message, which
		// does not move the cursor, and is passed over when it was peeked at before.
		return packet, errNothing
	}
	packet.Data = append([]byte(nil), p.buf[:got]...)
	if name, ok := from.(*unix.SockaddrUnix); ok {
		packet.From = name.Name
	}
	return packet, nil
}

// messages peeks at messages one by one. Empty ones are put where they are known to be.
func (p *peeker) messages() (packets []fastcr.SocketPacket, err error) {
	empty := p.empties()
	if err := p.seek(0); err != nil {
		return nil, err
	}
	for left := len(empty); ; {
		packet, err := p.peek(len(p.buf))
		if errors.Is(err, errNothing) && left > 0 {
			left-- // it may have been one of them
			continue
		}
		if errors.Is(err, errNothing) {
			break
		}
		if err != nil {
			return nil, err
		}
		packets = append(packets, packet)
	}
	for _, place := range empty {
		if place > len(packets) {
			return nil, errUnseen
		}
		packets = slices.Insert(packets, place, fastcr.SocketPacket{})
	}
	return packets, nil
}

// empties are the places of messages without bytes.
func (p *peeker) empties() (places []int) {
	for _, m := range p.hard {
		if m.Len == 0 {
			places = append(places, m.Place)
		}
	}
	return places
}

// pieces peeks at a stream: messages with open files by themselves, what is between them as it comes.
func (p *peeker) pieces() (packets []fastcr.SocketPacket, err error) {
	at := 0 // bytes from the head
	for _, m := range p.hard {
		if m.At > at {
			// The files of the next message come with a peek at what is before it.
			packet, err := p.piece(at, m.At-at)
			if err != nil {
				return nil, err
			}
			p.asker.forget(packet.FDs)
			packet.FDs = nil
			packets = append(packets, packet)
		}
		packet, err := p.piece(m.At, m.Len)
		if err == nil && len(packet.FDs) == 0 {
			err = errUnseen
		}
		if err != nil {
			return nil, err
		}
		packets = append(packets, packet)
		at = m.At + m.Len
	}
	if err := p.seek(at); err != nil {
		return nil, err
	}
	for {
		packet, err := p.peek(len(p.buf))
		if errors.Is(err, errNothing) {
			return packets, nil
		}
		if err != nil {
			return nil, err
		}
		packets = append(packets, packet)
	}
}

// piece is n bytes of a stream, at so many from the head.
func (p *peeker) piece(at, n int) (packet fastcr.SocketPacket, err error) {
	if n > len(p.buf) {
		return packet, errSmall(n)
	}
	if err := p.seek(at); err != nil {
		return packet, err
	}
	packet, err = p.peek(n)
	if err == nil && len(packet.Data) != n {
		err = errUnseen
	}
	return packet, err
}

// forget closes descriptors that were received last.
func (a *Asker) forget(fds []int) {
	a.received = a.received[:len(a.received)-len(fds)]
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// CloseReceived closes the descriptors that came out of queues: before the thaw, as long as
// they are open nobody sees an end of file.
func (a *Asker) CloseReceived() { a.forget(a.received) }

// rights are the descriptors that a message brought; other says that it brought something else too.
func rights(oob []byte) (fds []int, other bool) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, true
	}
	for i := range msgs {
		if more, err := unix.ParseUnixRights(&msgs[i]); err == nil {
			fds = append(fds, more...)
		} else {
			other = true
		}
	}
	return fds, other
}
