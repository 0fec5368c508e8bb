package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestUnixNames(t *testing.T) {
	for _, part := range []string{"stream", "seqpacket", "abstract", "relative", "alone", "deleted", "family"} {
		runCase(t, Case{Name: part, Source: "unix", Args: []string{part}})
	}
	runCase(t, Case{Name: "renamed", Source: "unix", Args: []string{"renamed"}, CRIUCannot: "it binds the old name",
		Refused: []string{"fd 3", "unix socket", "/before", "does not lead to it"}})
}

func TestUnixWaiting(t *testing.T) {
	runCase(t, Case{Name: "path", Source: "unix", Args: []string{"waiting"}})
	runCase(t, Case{Name: "abstract", Source: "unix", Args: []string{"waiting, abstract"}})
	runCase(t, Case{Name: "deleted", Source: "unix", Args: []string{"waiting, deleted"}})
	runCase(t, Case{Name: "sent before", Source: "unix", Args: []string{"waiting, sent"},
		Refused: []string{"fd 4", "unix socket", "sent before it was accepted"}})
	runCase(t, Case{Name: "closed before", Source: "unix", Args: []string{"waiting, closed"},
		Refused: []string{"fd 3", "/closed", "1 connections to be accepted"}})
}

func TestUnixDatagrams(t *testing.T) {
	runCase(t, Case{Name: "one way", Source: "unix", Args: []string{"one way"}})
	runCase(t, Case{Name: "named sender", Source: "unix", Args: []string{"senders"}, CRIUCannot: "another sender's name is given with the message"})
	runCase(t, Case{Name: "two senders", Source: "unix", Args: []string{"two senders"}, CRIUCannot: "it loses a sender's name",
		Refused: []string{"fd 3", "/to", "a message from", "sender"}})
	runCase(t, Case{Name: "chain", Source: "unix", Args: []string{"chain"}, CRIUCannot: "its restore fails",
		Refused: []string{"fd 4", "/to", "connected to another since"}})
}

func TestUnixHalves(t *testing.T) {
	runCase(t, Case{Name: "halves", Source: "unix", Args: []string{"halves"}})
}

func TestUnixOptions(t *testing.T) {
	runCase(t, Case{Name: "all", Source: "unix", Args: []string{"options"}})
}

// TestUnixRights is about open files in messages that wait.
func TestUnixRights(t *testing.T) {
	for _, part := range []string{
		"dgram", "seqpacket", "nested", "both", "shared", "epoll", "family", "both ways", "to child 0", "to child 1", "unconnected",
	} {
		runCase(t, Case{Name: part, Source: "rights", Args: []string{part}})
	}
	runCase(t, Case{Name: "stream", Source: "rights", Args: []string{"stream"}, CRIUCannot: "the files come with bytes that were sent before"})
	runCase(t, Case{Name: "orphan", Source: "rights", Args: []string{"orphan"}, CRIUCannot: "the same"})
	runCase(t, Case{Name: "empty messages", Source: "rights", Args: []string{"empty"}, CRIUCannot: "it loses them and all after them"})
	runCase(t, Case{Name: "both ways, two processes", Source: "rights", Args: []string{"both ways, two"}, CRIUCannot: "its restore fails",
		Refused: []string{"fd 3", "fd 4", "unix socket", "its peer in another process"}})
	runCase(t, Case{Name: "lonely", Source: "rights", Args: []string{"lonely"}, CRIUCannot: "its restore fails",
		Refused: []string{"fd 4", "in a message", "nobody but a message"}})
	runCase(t, Case{Name: "memfd", Source: "rights", Args: []string{"memfd"}, CRIUCannot: "it can",
		Refused: []string{"fd 4", "memfd:secret in a message", "nobody but a message"}})
	runCase(t, Case{Name: "no bytes", Source: "rights", Args: []string{"no bytes"}, CRIUCannot: "it loses the message",
		Refused: []string{"fd 4", "unix socket", "message of no bytes with open files"}})
}

// outside is a socket of the test's, at ../outside as the program sees it.
func (r *Run) outside(typ int) int {
	r.t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { unix.Close(fd) })
	at := filepath.Join(filepath.Dir(r.work), "outside")
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: at}); err != nil {
		r.t.Fatal(err)
	}
	return fd
}

// socketInode is the inode number of the program's socket fd.
func (r *Run) socketInode(fd int) uint64 {
	r.t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/fd/%d", r.pid, fd), &st); err != nil {
		r.t.Fatal(err)
	}
	return st.Ino
}

// answer answers one "ping".
func answer(f *os.File) {
	var b [4]byte
	if n, _ := f.Read(b[:]); string(b[:n]) == "ping" {
		f.WriteString("pong")
	}
}

// TestUnixOutside is about peers outside of the tree.
func TestUnixOutside(t *testing.T) {
	var l int
	listens := func(t *testing.T, r *Run) {
		l = r.outside(unix.SOCK_STREAM)
		if err := unix.Listen(l, 5); err != nil {
			t.Fatal(err)
		}
	}
	accept := func(t *testing.T) *os.File {
		fd, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
		if err != nil {
			t.Error(err)
		}
		f := os.NewFile(uintptr(fd), "peer")
		t.Cleanup(func() { f.Close() })
		return f
	}
	runCase(t, Case{Name: "stream, not allowed", Source: "unix", Args: []string{"outside stream"}, Setup: listens,
		Refused: []string{"fd 3", "peer", "outside of the tree", "--external unix["},
		Ready:   func(t *testing.T, _ *Run) { f := accept(t); go answer(f) }})
	runCase(t, Case{Name: "stream, not accepted", Source: "unix", Args: []string{"outside stream"}, Setup: listens, CRIUCannot: "its restore fails",
		Refused: []string{"fd 3", "waits to be accepted", "/outside"},
		Ready: func(t *testing.T, r *Run) {
			go func() {
				if eventually(20*time.Second, func() bool { return exists(filepath.Join(r.dir, "check")) }) {
					answer(accept(t))
				}
			}()
		}})
	var again *os.File
	runCase(t, Case{Name: "stream", Source: "unix", Args: []string{"outside stream"}, Setup: listens,
		Ready: func(t *testing.T, r *Run) {
			first := accept(t)
			go answer(first)
			id := r.socketInode(3)
			r.c.DumpFlags = []string{"--external", fmt.Sprintf("unix[%d]", id)}
			r.c.RestoreFlags = []string{"--inherit-fd", fmt.Sprintf("fd[3]:socket:[%d]", id)}
			c, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err == nil {
				err = unix.Connect(c, &unix.SockaddrUnix{Name: filepath.Join(filepath.Dir(r.work), "outside")})
			}
			if err != nil {
				t.Fatal(err)
			}
			f := os.NewFile(uintptr(c), "handed over")
			t.Cleanup(func() { f.Close() })
			r.inherit, again = []*os.File{f}, accept(t)
		},
		Verify: func(*testing.T, *Run) { go answer(again) }})
	datagrams := func(_ *testing.T, r *Run) {
		fd := r.outside(unix.SOCK_DGRAM)
		go func() {
			var b [100]byte
			for {
				n, from, err := unix.Recvfrom(fd, b[:], 0)
				if err != nil || string(b[:n]) == "end" {
					return
				}
				if string(b[:n]) == "ping" {
					_ = unix.Sendto(fd, []byte("pong"), 0, from)
				}
			}
		}()
		r.t.Cleanup(func() {
			_ = unix.Sendto(fd, []byte("end"), 0, &unix.SockaddrUnix{Name: filepath.Join(filepath.Dir(r.work), "outside")})
		})
	}
	ext := []string{"--ext-unix-sk"}
	runCase(t, Case{Name: "datagrams", Source: "unix", Args: []string{"outside datagrams"}, Setup: datagrams, DumpFlags: ext, RestoreFlags: ext})
	runCase(t, Case{Name: "datagrams, not allowed", Source: "unix", Args: []string{"outside datagrams"}, Setup: datagrams,
		Refused: []string{"fd 3", "fd 4", "/outside", "outside of the tree", "--ext-unix-sk"}})

	dial := func(t *testing.T, r *Run) {
		c, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(c, &unix.SockaddrUnix{Name: filepath.Join(r.work, "server")})
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(c) })
	}
	const drops = "it drops the connection without a word"
	runCase(t, Case{Name: "a client, not allowed", Source: "unix", Args: []string{"server"}, Ready: dial, CRIUCannot: drops,
		Refused: []string{"fd 3", "/server", "1 connections to be accepted", "--ext-unix-sk"}})
	runCase(t, Case{Name: "a client", Source: "unix", Args: []string{"server"}, Ready: dial, DumpFlags: ext, RestoreFlags: ext})
}
