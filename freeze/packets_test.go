package freeze

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr/netlock"
)

// connOfHolder is "LOCAL REMOTE RUNID" of the connection that a holder locks.
const connOfHolder = "FREEZE_TEST_CONN"

// lockPackets freezes with a lock, which is "locked" only, "kept" for a restore, or "kept"
// with the tree "killed".
func lockPackets(h *Hold, stage string) error {
	var local, remote, run string
	fmt.Sscan(os.Getenv(connOfHolder), &local, &remote, &run)
	conns := []netlock.Conn{{Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote)}}
	o := netlock.Options{RunID: run, Kept: true}
	if stage == "table" {
		o.Method = netlock.Nftables
	}
	l, err := netlock.Prepare(o)
	if err != nil {
		return err
	}
	off, err := l.Off()
	if err != nil {
		return err
	}
	if err := h.GuardPackets(PacketGuard{l.LastWords(), off.Map, off.Socket, off.Message}); err != nil {
		return err
	}
	if err := h.Freeze(); err != nil {
		return err
	}
	if err := l.Lock(conns); err != nil || stage != "kept" && stage != "killed" {
		return err
	}
	if err := l.Keep(); err != nil || stage == "kept" {
		return err
	}
	return h.Kill()
}

// lockedPair is a loopback connection that a holder is told to lock: this end's peer is.
func lockedPair(t *testing.T) (peer *net.TCPConn, table string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	peer, err = net.DialTCP("tcp", nil, ln.Addr().(*net.TCPAddr))
	must(t, err)
	mine, err := ln.Accept()
	must(t, err)
	go func() { // echoes
		buf := make([]byte, 1)
		for {
			if _, err := mine.Read(buf); err != nil {
				return
			}
			if _, err := mine.Write(buf); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { mine.Close(); peer.Close() })
	run := fmt.Sprintf("freezetest-%d-%s", os.Getpid(), mine.LocalAddr().(*net.TCPAddr).AddrPort())
	t.Setenv(connOfHolder, fmt.Sprintf("%s %s %s", mine.LocalAddr(), mine.RemoteAddr(), run))
	return peer, "CRIU-" + run
}

// answers tells whether a question is answered in the time.
func answers(t *testing.T, peer *net.TCPConn, within time.Duration) bool {
	t.Helper()
	_, err := peer.Write([]byte("?"))
	must(t, err, peer.SetReadDeadline(time.Now().Add(within)))
	_, err = peer.Read(make([]byte, 1))
	return err == nil
}

// tableStands tells whether nftables has the table.
func tableStands(t *testing.T, name string) bool {
	t.Helper()
	c, err := nftables.New()
	must(t, err)
	all, err := c.ListTables()
	must(t, err)
	return slices.ContainsFunc(all, func(x *nftables.Table) bool { return x.Name == name })
}

const (
	silence  = 100 * time.Millisecond
	patience = 15 * time.Second // for TCP to send again
)

// TestLockIsLiftedWhileItsHolderIsStopped: a stopped holder's tree runs, so its packets pass.
func TestLockIsLiftedWhileItsHolderIsStopped(t *testing.T) {
	for _, stage := range []string{"locked", "table", "kept"} {
		t.Run(stage, func(t *testing.T) {
			p := start(t, "busy", "1")
			peer, table := lockedPair(t)
			holder := startHolder(t, stage, p.pid)
			if answers(t, peer, silence) {
				t.Fatal("packets pass while locked")
			}
			must(t, holder.Process.Signal(unix.SIGSTOP))
			if !answers(t, peer, patience) {
				t.Error("packets do not pass while the holder is stopped")
			}
			if tableStands(t, table) {
				t.Error("the table stands")
			}
		})
	}
}

// TestKeptLockGoesWhenTheTreeLivesOn: its maker ended before it killed the tree.
func TestKeptLockGoesWhenTheTreeLivesOn(t *testing.T) {
	p := start(t, "busy", "1")
	before := cgroupNamed(t, p.pid)
	peer, table := lockedPair(t)
	holder := startHolder(t, "kept", p.pid)
	if !tableStands(t, table) || answers(t, peer, silence) {
		t.Fatal("packets pass while locked")
	}
	must(t, holder.Process.Kill())
	isBack(t, p, before, holder.Process.Pid)
	eventually(t, "the table goes", func() bool { return !tableStands(t, table) })
	if !answers(t, peer, patience) {
		t.Error("packets do not pass")
	}
}

// TestKeptLockStaysWhenTheTreeIsKilled, whatever becomes of the killer afterwards.
func TestKeptLockStaysWhenTheTreeIsKilled(t *testing.T) {
	p := start(t, "busy", "1")
	peer, table := lockedPair(t)
	defer func() {
		c, err := nftables.New()
		must(t, err)
		c.DelTable(&nftables.Table{Name: table, Family: nftables.TableFamilyINet})
		must(t, c.Flush())
	}()
	holder := startHolder(t, "killed", p.pid)
	guardian := guardianOf(t, holder.Process.Pid)
	must(t, holder.Process.Kill())
	eventually(t, "its guardian ends", func() bool { return unix.Kill(guardian, 0) != nil })
	if !tableStands(t, table) || answers(t, peer, silence) {
		t.Error("packets pass")
	}
}
