package objects

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// The test process asks itself: pidfd_getfd works on one's own pid too.
func newAsker(t *testing.T) *Asker {
	t.Helper()
	a, err := NewAsker([]int{os.Getpid()}, 65536)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func makePipe(t *testing.T, flags int) [2]int {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], flags); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p
}

func TestPipeContentLeavesThePipeFull(t *testing.T) {
	a := newAsker(t)
	p := makePipe(t, unix.O_CLOEXEC)
	if c, _, err := a.PipeContent(os.Getpid(), p[0], false); err != nil || c != nil {
		t.Fatalf("empty pipe: %v, %v", c, err)
	}
	want := bytes.Repeat([]byte("0123456789abcdef"), 3000)
	if _, err := unix.Write(p[1], want); err != nil {
		t.Fatal(err)
	}
	for _, end := range []struct {
		fd        int
		writeOnly bool
	}{{p[0], false}, {p[1], true}, {p[0], false}} {
		c, ino, err := a.PipeContent(os.Getpid(), end.fd, end.writeOnly)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(c.Data, want) || ino == 0 {
			t.Fatalf("got %d bytes of inode %d, want %d", len(c.Data), ino, len(want))
		}
	}
	got := make([]byte, len(want))
	if n, err := unix.Read(p[0], got); err != nil || n != len(want) || !bytes.Equal(got, want) {
		t.Fatalf("the pipe lost bytes: read %d, %v", n, err)
	}
}

func TestPipeContentOfALargePipe(t *testing.T) {
	a := newAsker(t)
	p := makePipe(t, unix.O_CLOEXEC|unix.O_DIRECT)
	if _, err := unix.FcntlInt(uintptr(p[0]), unix.F_SETPIPE_SZ, 1<<20); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if _, err := unix.Write(p[1], []byte("packet")); err != nil {
			t.Fatal(err)
		}
	}
	c, _, err := a.PipeContent(os.Getpid(), p[0], false)
	if err != nil {
		t.Fatal(err)
	}
	if want := bytes.Repeat([]byte("packet"), 200); !bytes.Equal(c.Data, want) {
		t.Fatalf("got %d bytes, want %d", len(c.Data), len(want))
	}
}

func socketpair(t *testing.T, typ int) [2]int {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p
}

func joined(q *fastcr.SocketQueue) (all string) {
	for _, p := range q.Packets {
		all += string(p.Data)
	}
	return all
}

func TestSocketQueue(t *testing.T) {
	a := newAsker(t)
	for name, typ := range map[string]int{"stream": unix.SOCK_STREAM, "dgram": unix.SOCK_DGRAM, "seqpacket": unix.SOCK_SEQPACKET} {
		t.Run(name, func(t *testing.T) {
			p := socketpair(t, typ)
			stream := typ == unix.SOCK_STREAM
			if q, err := a.SocketQueue(os.Getpid(), p[0], stream, 0, nil); err != nil || q != nil {
				t.Fatalf("empty queue: %v, %v", q, err)
			}
			for _, s := range []string{"one", "three", "seventeen"} {
				if _, err := unix.Write(p[1], []byte(s)); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // a second look finds the same
				q, err := a.SocketQueue(os.Getpid(), p[0], stream, 3, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := joined(q); got != "onethreeseventeen" || q.PeekOff != -1 {
					t.Fatalf("got %q, peek offset %d", got, q.PeekOff)
				}
				if !stream && len(q.Packets) != 3 {
					t.Fatalf("message boundaries were lost: %v", q.Packets)
				}
			}
			buf := make([]byte, 64)
			if n, err := unix.Read(p[0], buf); err != nil || n == 0 || !bytes.HasPrefix(buf[:n], []byte("one")) {
				t.Fatalf("read after the peek: %q, %v", buf[:n], err)
			}
		})
	}
}

func TestSocketQueueOfLongAndEmptyMessages(t *testing.T) {
	a := newAsker(t)
	p := socketpair(t, unix.SOCK_DGRAM)
	long := bytes.Repeat([]byte("long "), 20000)
	for _, m := range [][]byte{[]byte("short"), long, []byte("s")} {
		if err := unix.Sendto(p[1], m, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	q, err := a.SocketQueue(os.Getpid(), p[0], false, 3, nil)
	if err != nil || len(q.Packets) != 3 || !bytes.Equal(q.Packets[1].Data, long) {
		t.Fatalf("%v: %d messages", err, len(q.Packets))
	}
	if err := unix.Sendto(p[1], nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time the kernel passes it over
		if _, err := a.SocketQueue(os.Getpid(), p[0], false, 4, nil); !errors.Is(err, fastcr.ErrNotSupported) {
			t.Fatalf("an empty message: %v", err)
		}
	}
}

// TestSocketQueueKeepsRights wants open files to stay with the bytes that they came with.
func TestSocketQueueKeepsRights(t *testing.T) {
	before := openFDs(t)
	t.Cleanup(func() {
		if now := openFDs(t); now != before {
			t.Errorf("%d descriptors are open, were %d", now, before)
		}
	})
	for name, typ := range map[string]int{"stream": unix.SOCK_STREAM, "dgram": unix.SOCK_DGRAM, "seqpacket": unix.SOCK_SEQPACKET} {
		t.Run(name, func(t *testing.T) {
			a := newAsker(t)
			p := socketpair(t, typ)
			sent := []struct {
				data string
				fds  []int
			}{{"one by one ", nil}, {"with two", []int{0, p[0]}}, {"a", []int{1}}, {strings.Repeat("x", 5000), nil}, {"and last", []int{2}}, {"end", nil}}
			if typ == unix.SOCK_DGRAM {
				sent[3].data, sent[5].data = "", ""
			}
			for _, m := range sent {
				var oob []byte
				if m.fds != nil {
					oob = unix.UnixRights(m.fds...)
				}
				if err := unix.Sendmsg(p[1], []byte(m.data), oob, nil, 0); err != nil {
					t.Fatal(err)
				}
			}
			var hard []fastcr.HardMessage
			at := 0
			for i, m := range sent {
				if m.fds != nil || m.data == "" {
					hard = append(hard, fastcr.HardMessage{At: at, Place: i, Len: len(m.data), Rights: m.fds != nil})
				}
				at += len(m.data)
			}
			for range 2 { // a second look finds the same
				q, err := a.SocketQueue(os.Getpid(), p[0], typ == unix.SOCK_STREAM, len(sent), hard)
				if err != nil || len(q.Packets) != len(sent) {
					t.Fatalf("%v: %v", err, q)
				}
				for i, m := range sent {
					if got := q.Packets[i]; string(got.Data) != m.data || len(got.FDs) != len(m.fds) {
						t.Errorf("message %d: %q with %d files, want %q with %d", i, got.Data, len(got.FDs), m.data, len(m.fds))
					}
				}
			}
			a.CloseReceived()
		})
	}
}

func openFDs(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestGhostKeepsHoles(t *testing.T) {
	a := newAsker(t)
	name := filepath.Join(t.TempDir(), "gone")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteAt([]byte("head"), 0)
	f.WriteAt([]byte("tail"), 1<<20)
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	g, err := a.OpenGhost(os.Getpid(), int(f.Fd()), fastcr.PathRef{Path: name})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	c, err := g.Read(2 << 20)
	if err != nil {
		t.Fatal(err)
	}
	last := c.Extents[len(c.Extents)-1]
	if !bytes.HasPrefix(c.Extents[0].Data, []byte("head")) || !bytes.HasSuffix(last.Data, []byte("tail")) {
		t.Fatalf("content differs: %d extents", len(c.Extents))
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte("x"), 8192), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Read(4096); err == nil {
		t.Fatal("a file beyond the limit was read")
	}
}
