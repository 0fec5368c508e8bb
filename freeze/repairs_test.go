package freeze

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// socketOfHolder is "PID FD" of the socket that a holder puts into repair mode.
const socketOfHolder = "FREEZE_TEST_SOCKET"

// beginRepair freezes and leaves a socket in repair mode.
func beginRepair(h *Hold) error {
	var pid, fd int
	fmt.Sscan(os.Getenv(socketOfHolder), &pid, &fd)
	list, err := h.GuardRepairs(2)
	if err != nil {
		return err
	}
	if err := h.Freeze(); err != nil {
		return err
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	dup, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		return err
	}
	for range 2 { // an entry more than once does no harm
		if err := list.Begin(pid, fd, true); err != nil {
			return err
		}
	}
	if err := list.Begin(pid, fd, true); !errors.Is(err, ErrNoRepairs) {
		return fmt.Errorf("a third of two: %w", err)
	}
	return unix.SetsockoptInt(dup, unix.SOL_TCP, unix.TCP_REPAIR, 1)
}

// TestGuardianEndsRepairs when the holder dies or is stopped: a socket in repair mode sends nothing.
func TestGuardianEndsRepairs(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGSTOP} {
		t.Run(sig.String(), func(t *testing.T) {
			p := start(t, "busy", "1")
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer ln.Close()
			conn, err := net.Dial("tcp", ln.Addr().String())
			must(t, err)
			defer conn.Close()
			f, err := conn.(*net.TCPConn).File()
			must(t, err)
			defer f.Close()
			fd := int(f.Fd())
			must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
			t.Setenv(socketOfHolder, fmt.Sprintf("%d %d", os.Getpid(), fd))
			holder := startHolder(t, "repair", p.pid)
			if _, err := unix.Write(fd, []byte("x")); err == nil {
				t.Fatal("a socket in repair mode sends")
			}
			must(t, holder.Process.Signal(sig))
			eventually(t, "the socket sends again", func() bool {
				_, err := unix.Write(fd, []byte("x"))
				return err == nil
			})
			eventually(t, "the tree runs", func() bool { return !isFrozen(t, p.pid) })
			reuse, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR)
			if err != nil || reuse != 1 {
				t.Errorf("SO_REUSEADDR is %d, %v", reuse, err)
			}
		})
	}
}
