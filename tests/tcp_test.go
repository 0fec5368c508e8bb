package tests

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var tcpFlags = []string{"--tcp-established"}

func TestTCPQueues(t *testing.T) {
	for _, part := range []string{"queued", "corked", "full", "halves"} {
		runCase(t, Case{Name: part, Source: "tcp", Args: []string{part}, DumpFlags: tcpFlags, RestoreFlags: tcpFlags})
	}
	runCase(t, Case{Name: "urgent", Source: "tcp", Args: []string{"urgent"}, DumpFlags: tcpFlags, CRIUCannot: "its dump fails",
		Refused: []string{"fd 5", "TCP socket 127.0.0.1", "urgent data"}})
	runCase(t, Case{Name: "not allowed", Source: "tcp", Args: []string{"halves"},
		Refused: []string{"fd 4", "fd 5", "TCP socket 127.0.0.1", "is a TCP connection", "--tcp-established", "--tcp-close"}})
}

// TestTCPHeldOutside has a connection of which a process outside of the tree has a descriptor too: repair
// mode would be that one's ruin.
func TestTCPHeldOutside(t *testing.T) {
	hold := func(t *testing.T, r *Run) {
		pidfd, err := unix.PidfdOpen(r.pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(pidfd)
		fd, err := unix.PidfdGetfd(pidfd, 4, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
	}
	runCase(t, Case{Name: "established", Source: "tcp", Args: []string{"halves"}, Ready: hold, DumpFlags: tcpFlags, CRIUCannot: "it does not look",
		Refused: []string{"fd 4", "TCP socket 127.0.0.1", "a process outside of the tree holds too", "--tcp-close"}})
}

// TestTCPStates catches connections while they begin and end.
func TestTCPStates(t *testing.T) {
	for _, part := range []string{"closing", "calling"} {
		// A restore with nothing to hold the packets back sees the other end answer at once.
		runCase(t, Case{Name: part, Source: "tcp", Args: []string{part}, DumpFlags: tcpFlags, RestoreFlags: tcpFlags, Once: true})
	}
}

func TestTCPClose(t *testing.T) {
	flags := []string{"--tcp-close"}
	runCase(t, Case{Name: "closed", Source: "tcp", Args: []string{"closed"}, DumpFlags: flags, RestoreFlags: flags})
}

// TestTCPInFlight has a client that nobody has accepted.
func TestTCPInFlight(t *testing.T) {
	dial := func(t *testing.T, r *Run) {
		port, err := os.ReadFile(filepath.Join(r.dir, "port"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", string(port)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	flags := []string{"--tcp-established", "--skip-in-flight"}
	runCase(t, Case{Name: "left out", Source: "inet", Args: []string{"outside"}, Ready: dial, DumpFlags: flags, RestoreFlags: tcpFlags})
	runCase(t, Case{Name: "not allowed", Source: "inet", Args: []string{"outside"}, Ready: dial, DumpFlags: tcpFlags,
		Refused: []string{"fd 3", "TCP socket 127.0.0.1", "1 connections that nobody has accepted", "--skip-in-flight"}})
}

// talker is a client of the test's that has a server tell it back what it says, all the time.
type talker struct {
	conn  net.Conn
	said  atomic.Uint64
	heard atomic.Uint64
	fault atomic.Pointer[string]
}

// talk connects to the program.
func (r *Run) talk(host string) *talker {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.address(host))
	if err != nil {
		r.t.Fatal(err)
	}
	return r.talkOver(conn)
}

// address is where the program listens.
func (r *Run) address(host string) string {
	r.t.Helper()
	port, err := os.ReadFile(filepath.Join(r.dir, "port"))
	if err != nil {
		r.t.Fatal(err)
	}
	return net.JoinHostPort(host, strings.TrimSpace(string(port)))
}

func (r *Run) talkOver(conn net.Conn) *talker {
	r.t.Helper()
	k := &talker{conn: conn}
	r.t.Cleanup(func() { conn.Close() })
	go k.say()
	go k.hear()
	k.goesOn(r.t)
	return k
}

const word = 8 // bytes of a number

func (k *talker) fail(what string, err error) {
	s := fmt.Sprintf("%s: %v", what, err)
	k.fault.CompareAndSwap(nil, &s)
}

func (k *talker) say() {
	for n := uint64(0); ; n++ {
		var b bytes.Buffer
		for range 1 + n%300 {
			_ = binary.Write(&b, binary.NativeEndian, k.said.Load())
			k.said.Add(1)
		}
		if _, err := k.conn.Write(b.Bytes()); err != nil {
			k.fail("the client writes", err)
			return
		}
		if n%50 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

func (k *talker) hear() {
	var b [word]byte
	in := bufio.NewReaderSize(k.conn, 1<<16)
	for want := uint64(0); ; want++ {
		if _, err := io.ReadFull(in, b[:]); err != nil {
			k.fail("the client reads", err)
			return
		}
		if got := binary.NativeEndian.Uint64(b[:]); got != want {
			k.fail("the client hears", fmt.Errorf("word %d instead of %d", got, want))
			return
		}
		k.heard.Store(want + 1)
	}
}

// goesOn wants answers to come, and no fault.
func (k *talker) goesOn(t *testing.T) {
	t.Helper()
	from := k.said.Load()
	ok := eventually(20*time.Second, func() bool { return k.fault.Load() != nil || k.heard.Load() > from+10000 })
	if f := k.fault.Load(); f != nil {
		t.Fatal(*f)
	}
	if !ok {
		t.Fatalf("the client heard %d of %d words, and no more come", k.heard.Load(), k.said.Load())
	}
}

// TestTCPPeer has a peer outside of the tree, which talks all the while and notices nothing.
func TestTCPPeer(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1"} {
		var k *talker
		goesOn := func(t *testing.T, _ *Run) { k.goesOn(t) }
		// What a live program said since cannot be said again: its images are not restored.
		runCase(t, Case{Name: host, Source: "tcp", Args: []string{"server", host}, DumpFlags: tcpFlags, RestoreFlags: tcpFlags, Once: true,
			Ready: func(_ *testing.T, r *Run) { k = r.talk(strings.TrimPrefix(host, "::ffff:")) }, Verify: goesOn, Undisturbed: goesOn, Moving: true})
	}
}
