package freeze

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Freeze stops every task of the tree and waits until all of them stand still,
// 16 µs for one thread. It opens and allocates nothing. When tasks do not freeze in
// time, the tree is thawed and a *TimeoutError names them.
func (h *Hold) Freeze() error {
	for _, g := range h.groups {
		if err := g.set(true); err != nil {
			return errors.Join(err, h.Thaw())
		}
	}
	start := time.Now()
	for _, g := range h.groups {
		if err := h.await(g, start); err != nil {
			return errors.Join(err, h.Thaw())
		}
	}
	return nil
}

// WaitFrozen waits until the tree stands still again, for example after a
// ptrace stop inside the freeze.
func (h *Hold) WaitFrozen() error {
	start := time.Now()
	for _, g := range h.groups {
		if err := h.await(g, start); err != nil {
			return err
		}
	}
	return nil
}

// await reads, yields the CPU to the target, and reads again; a bare spin
// would starve the target where there are few CPUs.
func (h *Hold) await(g *group, start time.Time) error {
	for {
		frozen, err := g.isFrozen(h.scratch)
		if frozen || err != nil {
			return err
		}
		waited := time.Since(start)
		if waited < spin {
			unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
			continue
		}
		if waited > h.opts.Timeout {
			pids, _ := h.Members()
			return &TimeoutError{Timeout: h.opts.Timeout.String(), Tasks: stuckTasks(pids)}
		}
		fds := []unix.PollFd{{Fd: int32(g.events), Events: unix.POLLPRI}}
		left := min(h.opts.Timeout-waited, 20*time.Millisecond)
		if _, err := unix.Poll(fds, int(left.Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("poll %s/cgroup.events: %w", g.dir, err)
		}
	}
}

// Members lists the processes in the held cgroups now, without zombies. The
// slice is valid until the next call.
func (h *Hold) Members() ([]int, error) {
	h.members = h.members[:0]
	for _, g := range h.groups {
		if err := h.readProcs(g); err != nil {
			return nil, fmt.Errorf("read %s/cgroup.procs: %w", g.dir, err)
		}
	}
	return h.members, nil
}

func (h *Hold) readProcs(g *group) error {
	pid := 0
	for off := int64(0); ; {
		n, err := unix.Pread(g.procs, h.procs, off)
		if err != nil || n == 0 {
			return err
		}
		off += int64(n)
		for _, c := range h.procs[:n] {
			if c != '\n' {
				pid = pid*10 + int(c-'0')
				continue
			}
			h.members = append(h.members, pid)
			pid = 0
		}
	}
}

// Thaw lets the tree run. It may be called at any time, and twice.
func (h *Hold) Thaw() error {
	var err error
	for _, g := range h.groups {
		if g.frozen {
			err = errors.Join(err, g.set(false))
		}
	}
	return err
}

// Stop makes every process stop (SIGSTOP) as soon as it is thawed.
func (h *Hold) Stop() error {
	pids, err := h.Members()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if e := unix.Kill(pid, unix.SIGSTOP); e != nil && !errors.Is(e, unix.ESRCH) {
			err = errors.Join(err, fmt.Errorf("stop pid %d: %w", pid, e))
		}
	}
	return err
}

// Kill ends every process of the tree, frozen as it is, and waits until all are gone
// from their cgroups (zombies do not count).
func (h *Hold) Kill() error {
	for _, g := range h.groups {
		if err := h.killGroup(g); err != nil {
			return err
		}
	}
	deadline := time.Now().Add(h.opts.Timeout)
	for _, g := range h.groups {
		for {
			populated, err := g.isPopulated(h.scratch)
			if err != nil {
				return err
			}
			if !populated {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("killed processes are still in %s after %s", g.dir, h.opts.Timeout)
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
	return nil
}

// killGroup writes cgroup.kill (5.14+), which no fork escapes.
func (h *Hold) killGroup(g *group) error {
	fd, err := unix.Open(g.dir+"/cgroup.kill", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		if _, err = unix.Write(fd, []byte("1")); err == nil {
			return nil
		}
	}
	pids, merr := h.Members()
	if merr != nil {
		return errors.Join(err, merr)
	}
	for _, pid := range pids {
		if e := unix.Kill(pid, unix.SIGKILL); e != nil && !errors.Is(e, unix.ESRCH) {
			return fmt.Errorf("kill pid %s: %w", strconv.Itoa(pid), e)
		}
	}
	return nil
}
