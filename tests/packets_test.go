package tests

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// inNetwork has the test's thread, and what it starts, in a network namespace of its own with
// nothing but a loopback. The thread ends with the test.
func inNetwork(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(err)
	}
}

// locks are what holds packets here: nftables tables of a dump, and iptables rules.
func locks(t *testing.T) (found []string) {
	t.Helper()
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.ListTables()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		if strings.HasPrefix(x.Name, "CRIU-") || strings.HasPrefix(x.Name, "fastcr") {
			found = append(found, "table "+x.Name)
		}
	}
	out, err := exec.Command("iptables", "-S").CombinedOutput()
	if err != nil {
		t.Fatalf("iptables -S: %v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "DROP") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// server starts a program that tells a peer outside what it says, in a network of their own.
func server(t *testing.T, flags ...string) *Run {
	t.Helper()
	inNetwork(t)
	r := newRun(t, Case{Source: "tcp", Args: []string{"server", "127.0.0.1"}, DumpFlags: append(tcpFlags, flags...), RestoreFlags: tcpFlags, Moving: true})
	r.start()
	return r
}

// asker is a client that says something and waits for the answer.
type asker struct{ conn net.Conn }

func (r *Run) asker() asker {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.address("127.0.0.1"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return asker{conn}
}

const question = "question"

func (a asker) ask(t *testing.T) {
	t.Helper()
	if _, err := a.conn.Write([]byte(question)); err != nil {
		t.Fatal(err)
	}
}

// goesOn wants the answers to all that was asked, and to one more.
func (a asker) goesOn(t *testing.T, asked int) {
	t.Helper()
	a.ask(t)
	_ = a.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, (asked+1)*len(question))
	if n, err := io.ReadFull(a.conn, b); err != nil || string(b) != strings.Repeat(question, asked+1) {
		t.Fatalf("%d of %d bytes came, %q: %v", n, len(b), b[:n], err)
	}
}

// TestPacketLockUntilRestore: what the dump leaves is what criu's restore removes, and the peer
// gets no RST meanwhile.
func TestPacketLockUntilRestore(t *testing.T) {
	needFastcr(t)
	for method, want := range map[string]string{"": "table CRIU-", "bpf": "table CRIU-", "nftables": "table CRIU-", "iptables": "-A INPUT", "skip": ""} {
		t.Run("method="+method, func(t *testing.T) {
			r := server(t, "--network-lock", method)
			k := r.talk("127.0.0.1")
			r.dumpAndKill()
			if left := strings.Join(locks(t), ", "); (left == "") != (want == "") || !strings.Contains(left, want) {
				t.Errorf("the dump left %q, not %q", left, want)
			}
			time.Sleep(300 * time.Millisecond)
			if method == "skip" {
				if !eventually(20*time.Second, func() bool { return k.fault.Load() != nil }) {
					t.Error("without a lock the peer notices nothing")
				}
				return
			}
			r.restore()
			k.goesOn(t)
			if left := locks(t); len(left) > 0 {
				t.Errorf("the restore left %q", left)
			}
			r.verdict("restored")
		})
	}
}

// TestPacketLockOfALiveTarget: nothing is left when the target goes on, whatever became of the dump.
func TestPacketLockOfALiveTarget(t *testing.T) {
	needFastcr(t)
	for _, method := range []string{"bpf", "nftables"} {
		t.Run("method="+method, func(t *testing.T) {
			r := server(t, "--network-lock", method)
			a := r.asker()
			goesOn := func(what string) {
				t.Helper()
				a.goesOn(t, 1)
				if !eventually(10*time.Second, func() bool { return len(locks(t)) == 0 }) {
					t.Errorf("%s left %q", what, locks(t))
				}
			}
			a.ask(t)
			r.dumpRunning()
			goesOn("dump -R")
			a.ask(t)
			if out, err := r.tryDump("--pidfile", "/nonexistent/pid"); err == nil {
				t.Fatalf("succeeded: %s", out)
			}
			goesOn("a dump that failed")
			a.ask(t)
			dumpAndSignal(t, r, t.TempDir(), unix.SIGKILL, 500*time.Millisecond,
				"--tcp-established", "--network-lock", method, "--action-script", waitingScript(t, "post-dump"))
			goesOn("fastcr, killed behind its images")
			r.verdict("live")
		})
	}
}

// TestPacketLockOfAKilledFastcr kills fastcr sooner or later.
func TestPacketLockOfAKilledFastcr(t *testing.T) {
	needFastcr(t)
	r := server(t)
	a := r.asker()
	r.before = r.look()
	for ms := 4; ms < 300; ms += 4 + ms/3 {
		img := t.TempDir()
		a.ask(t)
		ws, out := dumpAndSignal(t, r, img, unix.SIGKILL, time.Duration(ms)*time.Millisecond, "--tcp-established")
		if left, _ := filepath.Glob(filepath.Join(img, "*.img")); len(left) > 0 {
			return // it may have been done
		}
		if !ws.Signaled() || ws.Signal() != syscall.SIGKILL {
			t.Fatalf("after %d ms: %#x: %s", ms, ws, out)
		}
		isAsBefore(t, r, fmt.Sprintf("after %d ms", ms))
		a.goesOn(t, 1)
		if !eventually(10*time.Second, func() bool { return len(locks(t)) == 0 }) {
			t.Fatalf("after %d ms: left %q", ms, locks(t))
		}
	}
}
