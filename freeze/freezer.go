package freeze

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// spin is how long Freeze looks by itself before it sleeps in poll(2), whose
// notifications the kernel sends at most every 10 ms.
const spin = 5 * time.Millisecond

// Freeze stops every task of the tree and waits until all of them stand still,
// about 20 µs for one thread. It opens and allocates nothing. When it returns an
// error the tree runs: tasks that did not freeze in time are named by a
// *TimeoutError, a root that is gone is a *TargetError.
func (h *Hold) Freeze() error {
	if err := h.ready(); err != nil {
		return err
	}
	h.attended = false
	for _, g := range h.groups {
		g.frozen = true
		if err := g.set(frozen); err != nil {
			return errors.Join(h.gone(err), h.Thaw())
		}
	}
	if err := h.WaitFrozen(); err != nil {
		var late *TimeoutError
		if errors.As(err, &late) {
			// The tree stood still for all of the timeout; what did not can
			// be told apart only now.
			pids, _ := h.Members()
			late.Tasks = stuckTasks(pids)
		}
		return errors.Join(err, h.Thaw())
	}
	if h.poll(h.rootFD) {
		return errors.Join(&TargetError{PID: h.opts.Root, Reason: ErrExited}, h.Thaw())
	}
	return nil
}

// Rehearse does what Freeze, Members and Thaw do, except for the freeze: what
// runs for the first time costs page faults, which the frozen tree would wait for.
func (h *Hold) Rehearse() error {
	if err := h.ready(); err != nil {
		return err
	}
	for _, g := range h.groups {
		if _, err := g.has(frozenLine, h.scratch); err != nil {
			return h.gone(err)
		}
		if !g.temporary {
			continue // somebody else may have frozen it just now
		}
		if err := g.set(thawed); err != nil {
			return h.gone(err)
		}
	}
	_, err := h.Members()
	h.attended = false
	return err
}

// ready is an error if the guardian is not there any more: what is frozen would
// stay so if fastcr were killed.
func (h *Hold) ready() error {
	if len(h.groups) == 0 {
		return fmt.Errorf("freeze of pid %d: released already", h.opts.Root)
	}
	if h.poll(h.guardian.socket) {
		return fmt.Errorf("freeze of pid %d: the guardian has died", h.opts.Root)
	}
	return nil
}

// poll tells whether a descriptor has something to say: a pidfd that its
// process has ended, the guardian's socket that the guardian has.
func (h *Hold) poll(fd int) bool {
	h.polls = append(h.polls[:0], unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	n, err := unix.Poll(h.polls, 0)
	return err == nil && n > 0
}

// gone makes an error of a cgroup that was removed one about the target.
func (h *Hold) gone(err error) error {
	if errors.Is(err, unix.ENODEV) {
		return &TargetError{PID: h.opts.Root, Reason: ErrExited}
	}
	return err
}

// WaitFrozen waits until the tree stands still again, for example after a
// ptrace stop inside the freeze.
func (h *Hold) WaitFrozen() error { return h.await(true) }

// WaitThawed waits until no part of the tree is frozen any more. Thaw does not.
func (h *Hold) WaitThawed() error { return h.await(false) }

func (h *Hold) await(want bool) error {
	start := time.Now()
	for _, g := range h.groups {
		if err := h.awaitGroup(g, want, start); err != nil {
			return h.gone(err)
		}
	}
	return nil
}

// awaitGroup reads, yields the CPU to the target, and reads again; a bare spin
// would starve the target where there are few CPUs.
func (h *Hold) awaitGroup(g *group, want bool, start time.Time) error {
	for {
		now, err := g.has(frozenLine, h.scratch)
		if now == want || err != nil {
			return err
		}
		waited := time.Since(start)
		if waited < spin {
			unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
			continue
		}
		if want && h.ctx.Err() != nil {
			return h.ctx.Err()
		}
		if waited > h.opts.Timeout {
			return &TimeoutError{Timeout: h.opts.Timeout}
		}
		// Not for long: a change between the read and the poll is not told.
		left := min(h.opts.Timeout-waited, 20*time.Millisecond)
		h.polls = append(h.polls[:0], unix.PollFd{Fd: int32(g.events), Events: unix.POLLPRI})
		if _, err := unix.Poll(h.polls, int(left.Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("poll %s/cgroup.events: %w", g.dir, err)
		}
	}
}

// Members lists the processes in the held cgroups now, without zombies, in no
// order. The slice is valid until the next call. It allocates and opens
// something only when the tree has grown beyond twice what Prepare saw, or when
// cgroups were made inside the held ones since.
//
// Beside the tree there may be processes that were forked in it and left it
// (their parent has ended), and, in a cgroup that is held as it is, those that
// somebody has put there since.
func (h *Hold) Members() ([]int, error) {
	h.members = h.members[:0]
	for _, g := range h.groups {
		grown, err := g.grown()
		if err == nil && grown {
			err = g.openNodes()
		}
		if err == nil {
			h.members, err = g.members(h.members, h.procs)
		}
		if err != nil {
			return nil, h.gone(err)
		}
	}
	h.attended = true
	return h.members, nil
}

// Thaw lets the tree run. It may be called at any time, and twice.
func (h *Hold) Thaw() error {
	var err error
	if h.BeforeThaw != nil && slices.ContainsFunc(h.groups, func(g *group) bool { return g.frozen }) {
		h.BeforeThaw()
	}
	for _, g := range h.groups {
		if !g.frozen {
			continue
		}
		if e := g.set(thawed); e != nil && !errors.Is(e, unix.ENODEV) {
			err = errors.Join(err, e)
			continue
		}
		g.frozen = false
	}
	return err
}

// StillFrozen tells, with the tree frozen, that nobody has thawed it since Freeze, as the
// guardian does while fastcr is stopped: what was read is of one moment then.
func (h *Hold) StillFrozen() error {
	for _, g := range h.groups {
		n, err := unix.Pread(g.freezer, h.scratch, 0)
		if err != nil {
			return h.gone(fmt.Errorf("read %s/cgroup.freeze: %w", g.dir, err))
		}
		if n == 0 || h.scratch[0] != frozen[0] {
			return &TargetError{PID: h.opts.Root, Reason: ErrThawed}
		}
	}
	return nil
}
