package objects

import (
	"bytes"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// sockets is a loopback connection and its descriptors.
func sockets(t *testing.T) (a, b int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ca, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cb, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var fds []int
	for _, c := range []net.Conn{ca, cb} {
		f, err := c.(*net.TCPConn).File()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		t.Cleanup(func() { f.Close() })
		fds = append(fds, int(f.Fd()))
	}
	return fds[0], fds[1]
}

// ioctl asks a socket for a number of bytes.
func ioctl(t *testing.T, fd int, what uint) uint32 {
	t.Helper()
	n, err := unix.IoctlGetInt(fd, what)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

// repairs is a list that says when it was used.
type repairs struct{ begun, ended int }

func (r *repairs) Begin(int, int, bool) error { r.begun++; return nil }
func (r *repairs) End()                       { r.ended++ }

func TestTCPQueuesLeaveTheConnection(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the repair mode is root's")
	}
	a := newAsker(t)
	from, to := sockets(t)
	if err := unix.SetsockoptInt(from, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	var sent []byte
	for i := 0; ; i++ {
		piece := bytes.Repeat([]byte{byte(i)}, 5000+i)
		n, err := unix.SendmsgN(from, piece, nil, nil, unix.MSG_DONTWAIT)
		if n <= 0 || err != nil {
			break
		}
		sent = append(sent, piece[:n]...)
	}
	var in, out uint32
	for last := ^uint32(0); ; last = out { // until the receiver has no room
		time.Sleep(20 * time.Millisecond)
		in, out = ioctl(t, to, unix.SIOCINQ), ioctl(t, from, unix.SIOCOUTQ)
		if out == last && int(in+out) == len(sent) {
			break
		}
	}
	list := &repairs{}
	receiver, sender := &fastcr.TCPState{State: 1, RcvNxt: in}, &fastcr.TCPState{State: 1, WriteSeq: out}
	for range 2 {
		q, err := a.TCPQueues(os.Getpid(), to, receiver, false, list, make([]byte, QueuesSize(receiver)))
		if err != nil || !bytes.Equal(q.Received, sent[:in]) || len(q.Unacked) != 0 || list.begun != list.ended {
			t.Fatalf("%d and %d bytes, %v", len(q.Received), len(q.Unacked), err)
		}
		begun := list.begun
		q, err = a.TCPQueues(os.Getpid(), from, sender, true, list, make([]byte, QueuesSize(sender)))
		if err != nil || !bytes.Equal(q.Unacked, sent[in:]) || len(q.Received) != 0 {
			t.Fatalf("%d and %d bytes of %d and %d: %v", len(q.Received), len(q.Unacked), in, out, err)
		}
		if list.begun != begun+1 || list.ended != list.begun {
			t.Errorf("repairs: %+v", list)
		}
	}
	if reuse, err := unix.GetsockoptInt(from, unix.SOL_SOCKET, unix.SO_REUSEADDR); err != nil || reuse != 1 {
		t.Errorf("SO_REUSEADDR is %d, %v", reuse, err)
	}
	got := make([]byte, len(sent))
	for n := 0; n < len(got); {
		m, err := unix.Read(to, got[n:])
		if err != nil || m == 0 {
			t.Fatalf("read at %d of %d: %d, %v", n, len(got), m, err)
		}
		n += m
	}
	if !bytes.Equal(got, sent) {
		t.Error("other bytes arrive than were sent")
	}
}

// TestTCPQueuesUnsteady: what was known of the connection is not so any more.
func TestTCPQueuesUnsteady(t *testing.T) {
	a := newAsker(t)
	_, to := sockets(t)
	s := &fastcr.TCPState{State: 1, RcvNxt: 5}
	if _, err := a.TCPQueues(os.Getpid(), to, s, false, &repairs{}, make([]byte, QueuesSize(s))); !IsUnsteady(err) {
		t.Errorf("5 bytes that are not there: %v", err)
	}
}
