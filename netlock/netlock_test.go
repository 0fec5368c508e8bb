package netlock

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr/loader"
)

const testRun = "00000000-0000-4000-8000-000000000000"

// holderOfConn has the test binary lock the connection in its value and wait to be killed.
const holderOfConn = "NETLOCK_TEST_HOLD"

// inside says that the tests are in a network namespace of their own.
const inside = "NETLOCK_TEST_INSIDE"

func TestMain(m *testing.M) {
	if v := os.Getenv(holderOfConn); v != "" {
		hold(strings.Fields(v))
	}
	if os.Geteuid() == 0 && os.Getenv(inside) == "" {
		os.Exit(again())
	}
	os.Exit(m.Run())
}

// again runs the tests in a network namespace: what they leave, if they fail, is nobody's.
func again() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNET)
	if err == nil {
		err = loopbackUp()
	}
	if err == nil {
		err = cmd.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

func hold(args []string) {
	method, _ := ParseMethod(args[0])
	l, err := Prepare(Options{Method: method, RunID: testRun})
	if err == nil {
		err = l.Lock([]Conn{{Local: netip.MustParseAddrPort(args[1]), Remote: netip.MustParseAddrPort(args[2])}})
	}
	fmt.Println("locked", err)
	select {}
}

// needRoot skips where packets cannot be held; under CI it must be possible.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
}

// pair is a connection over loopback; mine is locked, the peer is not.
type pair struct {
	mine, peer *net.TCPConn
	conn       Conn
}

var kinds = []struct {
	name, listen string
	mapped       bool // an IPv6 socket's IPv4 connection
}{
	{"IPv4", "127.0.0.1:0", false},
	{"IPv6", "[::1]:0", false},
	{"4in6", "[::]:0", true},
}

func connect(t testing.TB, listen string, mapped bool) *pair {
	t.Helper()
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	to := ln.Addr().(*net.TCPAddr)
	if mapped {
		to = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: to.Port}
	}
	peer, err := net.DialTCP("tcp", nil, to)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{mine: mine.(*net.TCPConn), peer: peer}
	t.Cleanup(func() { p.mine.Close(); p.peer.Close() })
	p.conn = Conn{Local: mine.LocalAddr().(*net.TCPAddr).AddrPort(), Remote: mine.RemoteAddr().(*net.TCPAddr).AddrPort()}
	if mapped {
		p.conn.Local = netip.AddrPortFrom(netip.AddrFrom16(p.conn.Local.Addr().As16()), p.conn.Local.Port())
		p.conn.Remote = netip.AddrPortFrom(netip.AddrFrom16(p.conn.Remote.Addr().As16()), p.conn.Remote.Port())
		if !p.conn.Local.Addr().Is4In6() {
			t.Fatalf("%v is not mapped", p.conn.Local)
		}
	}
	return p
}

// send writes without waiting for anything.
func send(t testing.TB, c *net.TCPConn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatalf("write %q: %v", text, err)
	}
}

// arrives tells whether text comes within the time.
func arrives(t testing.TB, c *net.TCPConn, text string, within time.Duration) bool {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(within))
	buf := make([]byte, len(text))
	n, err := c.Read(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	if err != nil || string(buf[:n]) != text {
		t.Fatalf("read %q, %v; want %q", buf[:n], err, text)
	}
	return true
}

const (
	quiet = 100 * time.Millisecond // in which nothing comes
	later = 10 * time.Second       // in which TCP has sent again
)

// passes wants both directions of a connection to work.
func (p *pair) passes(t testing.TB, text string) {
	t.Helper()
	send(t, p.peer, text)
	if !arrives(t, p.mine, text, later) {
		t.Fatalf("%q does not arrive", text)
	}
	send(t, p.mine, text)
	if !arrives(t, p.peer, text, later) {
		t.Fatalf("the answer to %q does not arrive", text)
	}
}

func TestPacketsAreHeldAndPassAfterwards(t *testing.T) {
	needRoot(t)
	for _, method := range []Method{Default, BPF, Nftables} {
		for _, k := range kinds {
			t.Run("method="+method.String()+"/"+k.name, func(t *testing.T) {
				p, other := connect(t, k.listen, k.mapped), connect(t, k.listen, k.mapped)
				l, err := Prepare(Options{Method: method, RunID: testRun})
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				p.passes(t, "prepared")
				testHold(t, l, p, other)
				if err := l.Unlock(); err != nil {
					t.Fatal(err)
				}
				p.passes(t, "closed")
			})
		}
	}
}

// testHold locks p, which l does or does not know, and not other.
func testHold(t *testing.T, l *Lock, p, other *pair) {
	t.Helper()
	if err := l.Lock([]Conn{p.conn}); err != nil {
		t.Fatal(err)
	}
	send(t, p.peer, "question")
	send(t, p.mine, "answer")
	if arrives(t, p.mine, "question", quiet) || arrives(t, p.peer, "answer", quiet) {
		t.Fatal("packets pass while locked")
	}
	other.passes(t, "other")
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	if !arrives(t, p.mine, "question", later) || !arrives(t, p.peer, "answer", later) {
		t.Fatal("packets do not pass after the lock")
	}
}

func TestKnownConnectionsNeedNoCall(t *testing.T) {
	needRoot(t)
	for _, method := range []Method{BPF, Nftables} {
		t.Run(method.String(), func(t *testing.T) {
			p, other := connect(t, "127.0.0.1:0", false), connect(t, "127.0.0.1:0", false)
			l, err := Prepare(Options{Method: method, RunID: testRun, Conns: []Conn{p.conn}})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			p.passes(t, "not yet")
			testHold(t, l, p, other)
			if len(l.fresh) != 0 {
				t.Errorf("%d connections were entered again", len(l.fresh))
			}
			testHold(t, l, p, other) // once more
			l.Close()
			p.passes(t, "closed")
		})
	}
}

func TestManyConnections(t *testing.T) {
	needRoot(t)
	for _, method := range []Method{BPF, Nftables} {
		t.Run(method.String(), func(t *testing.T) {
			p := connect(t, "127.0.0.1:0", false)
			l, err := Prepare(Options{Method: method, RunID: testRun, Conns: manyConns(5000)})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if err := l.Lock(append(manyConns(5200), p.conn)); err != nil {
				t.Fatal(err)
			}
			send(t, p.peer, "question")
			if arrives(t, p.mine, "question", quiet) {
				t.Fatal("packets pass while locked")
			}
			l.Close()
			if !arrives(t, p.mine, "question", later) {
				t.Fatal("packets do not pass after the lock")
			}
		})
	}
}

// manyConns are of a network that is nobody's.
func manyConns(n int) []Conn {
	conns := make([]Conn, 0, n)
	for i := range n {
		conns = append(conns, Conn{
			Local:  netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), 80),
			Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), uint16(i)),
		})
	}
	return conns
}

func TestLockGoesWithItsHolder(t *testing.T) {
	needRoot(t)
	for _, method := range []string{"bpf", "nftables"} {
		t.Run(method, func(t *testing.T) {
			p := connect(t, "127.0.0.1:0", false)
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s", holderOfConn, method, p.conn.Local, p.conn.Remote))
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked <nil>\n" {
				t.Fatal(line, err)
			}
			send(t, p.peer, "question")
			if arrives(t, p.mine, "question", quiet) {
				t.Fatal("packets pass while locked")
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if !arrives(t, p.mine, "question", later) {
				t.Fatal("packets do not pass after the holder's end")
			}
		})
	}
}

func TestHeldAtTheTopmostCgroup(t *testing.T) {
	needRoot(t)
	dir, err := cgroup2()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			lock, err := loader.NewCgroupPacketLock(10, dir)
			if err != nil {
				t.Fatal(err)
			}
			l := &Lock{holder: &programs{lock: lock}, known: map[Conn]struct{}{}}
			defer l.Close()
			testHold(t, l, connect(t, k.listen, k.mapped), connect(t, k.listen, k.mapped))
		})
	}
}

func TestKeptIptables(t *testing.T) {
	needRoot(t)
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			p := connect(t, k.listen, k.mapped)
			l, err := Prepare(Options{Method: Iptables, RunID: testRun, Kept: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Lock([]Conn{p.conn}); err != nil {
				t.Fatal(err)
			}
			if err := l.Keep(); err != nil {
				t.Fatal(err)
			}
			if l.ImageMethod() != imageIptables || !l.AfterKill() {
				t.Errorf("method %d, after the kill %v", l.ImageMethod(), l.AfterKill())
			}
			l.Close()
			send(t, p.peer, "question")
			if arrives(t, p.mine, "question", quiet) {
				t.Error("packets pass while locked")
			}
			if err := l.Drop(); err != nil {
				t.Fatal(err)
			}
			if !arrives(t, p.mine, "question", later) {
				t.Fatal("packets do not pass without the rules")
			}
		})
	}
}

func tables(t *testing.T) (names []string) {
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
		names = append(names, x.Name)
	}
	return names
}

// What Keep leaves stands when its maker is gone, and keeps the peer from seeing that
// the other end is gone too.
func TestKeptLock(t *testing.T) {
	needRoot(t)
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			p := connect(t, k.listen, k.mapped)
			l, err := Prepare(Options{Method: BPF, RunID: testRun, Kept: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Lock([]Conn{p.conn}); err != nil {
				t.Fatal(err)
			}
			if err := l.Keep(); err != nil {
				t.Fatal(err)
			}
			defer l.Drop()
			if l.ImageMethod() != imageNftables || l.AfterKill() {
				t.Errorf("method %d, after the kill %v", l.ImageMethod(), l.AfterKill())
			}
			l.Close()
			send(t, p.peer, "question")
			if arrives(t, p.mine, "question", quiet) {
				t.Fatal("packets pass while locked")
			}
			testNoReset(t, p)
			if err := sendWords(l.LastWords()); err != nil {
				t.Fatal(err)
			}
			for _, name := range tables(t) {
				if strings.HasSuffix(name, testRun) {
					t.Errorf("last words leave table %s", name)
				}
			}
		})
	}
}

// testNoReset ends the locked socket with a RST, which the peer is not to see.
func testNoReset(t *testing.T, p *pair) {
	t.Helper()
	_ = p.mine.SetLinger(0)
	p.mine.Close()
	send(t, p.peer, "more")
	if arrives(t, p.peer, "nothing", quiet) {
		t.Error("the peer got something")
	}
	send(t, p.peer, "and more")
}

func sendWords(words []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, words)
	return err
}

func TestDropLeavesNothing(t *testing.T) {
	needRoot(t)
	before := tables(t)
	for _, method := range []Method{Default, BPF, Nftables} {
		l, err := Prepare(Options{Method: method, RunID: testRun, Kept: true, Conns: manyConns(1000)})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Lock(manyConns(1000)); err != nil {
			t.Fatal(err)
		}
		if err := l.Keep(); err != nil {
			t.Fatal(err)
		}
		if err := l.Drop(); err != nil {
			t.Fatal(err)
		}
		if err := l.Drop(); err != nil {
			t.Errorf("a second time: %v", err)
		}
		l.Close()
		if after := tables(t); len(after) != len(before) {
			t.Errorf("--network-lock %s: tables %v before, %v after", method, before, after)
		}
	}
}

func TestSkip(t *testing.T) {
	l, err := Prepare(Options{Method: Skip})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Lock(manyConns(3)), l.Keep(), l.Unlock(), l.Drop()); err != nil {
		t.Error(err)
	}
	if l.ImageMethod() != imageSkip {
		t.Errorf("method %d in the image", l.ImageMethod())
	}
	l.Close()
}

func TestAvailable(t *testing.T) {
	needRoot(t)
	of, err := Available()
	if err != nil || !strings.Contains(of, "until the restore") {
		t.Errorf("%q, %v", of, err)
	}
}

func TestParseMethod(t *testing.T) {
	for s, want := range map[string]Method{"": Default, "bpf": BPF, "nftables": Nftables, "iptables": Iptables, "skip": Skip, "none": Skip} {
		if m, err := ParseMethod(s); err != nil || m != want {
			t.Errorf("%q: %v, %v", s, m, err)
		}
	}
	if m, err := ParseMethod("ebtables"); err == nil {
		t.Errorf("ebtables: %v", m)
	}
}
