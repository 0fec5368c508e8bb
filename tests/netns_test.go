package tests

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// otherNetwork makes a second network namespace, whose one interface is the other end of one that
// the calling thread's gets. It has the second of the hosts' addresses, the caller the first.
func otherNetwork(t *testing.T, hosts [2]string) *os.File {
	t.Helper()
	made := make(chan *os.File)
	go func() {
		runtime.LockOSThread() // and ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err != nil {
			t.Error(err)
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			t.Error(err)
		}
		made <- f
	}()
	ns := <-made
	if t.Failed() {
		t.FailNow()
	}
	t.Cleanup(func() { ns.Close() })
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	address := func(dev, host string) {
		t.Helper()
		if strings.Contains(host, ":") {
			ip("address", "add", host+"/64", "dev", dev, "nodad")
		} else {
			ip("address", "add", host+"/24", "dev", dev)
		}
		ip("link", "set", dev, "up")
	}
	ip("link", "add", "here", "type", "veth", "peer", "name", "there", "netns", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.Fd()))
	address("here", hosts[0])
	inside(t, ns, func() { address("there", hosts[1]) })
	return ns
}

// inside calls f on a thread that is in a network namespace.
func inside(t *testing.T, ns *os.File, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		defer close(done) // also if f ends the goroutine
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// TestTCPAcrossNetworks has a client on another host, as far as the kernel can tell: its packets come
// from outside, and what it sends while the server is dead waits for the restored one.
func TestTCPAcrossNetworks(t *testing.T) {
	for name, hosts := range map[string][2]string{"IPv4": {"192.0.2.1", "192.0.2.2"}, "IPv6": {"2001:db8::1", "2001:db8::2"}} {
		t.Run(name, func(t *testing.T) {
			inNetwork(t)
			there := otherNetwork(t, hosts)
			r := newRun(t, Case{Source: "tcp", Args: []string{"server", hosts[0]}, DumpFlags: tcpFlags, RestoreFlags: tcpFlags, Moving: true})
			r.start()
			var conn net.Conn
			inside(t, there, func() {
				var err error
				if conn, err = net.Dial("tcp", r.address(hosts[0])); err != nil {
					t.Error(err)
				}
			})
			k := r.talkOver(conn)
			r.dumpRunning()
			k.goesOn(t)
			r.dumpAndKill()
			said := k.said.Load()
			r.restore()
			k.goesOn(t)
			if k.said.Load() == said {
				t.Error("the client said nothing more")
			}
			r.verdict("restored")
			if left := locks(t); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}
