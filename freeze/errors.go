package freeze

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fastcr/fastcr"
)

// What a TargetError can be about, for errors.Is.
var (
	ErrNoProcess    = errors.New("no such process")
	ErrExited       = errors.New("has exited")
	ErrLeaderExited = errors.New("main thread has exited while other threads run on")
	ErrThread       = errors.New("is a thread, not a process")
	ErrKernelThread = errors.New("is a kernel thread")
	ErrSelf         = errors.New("is fastcr itself or an ancestor of it")
	ErrFrozen       = errors.New("is frozen already")
	ErrHeld         = errors.New("is held by another fastcr")
	ErrThreaded     = errors.New("is in a threaded cgroup")
	ErrForking      = errors.New("forks faster than it can be caught")
	ErrThawed       = errors.New("was thawed by somebody else: fastcr was stopped in the freeze, or the cgroup was written to")
)

// TargetError says why the tree below a pid cannot be held. Nothing was changed,
// or all of it was put back.
type TargetError struct {
	PID    int
	Reason error  // one of the errors above
	TGID   int    // with ErrThread: the process that the thread belongs to
	Cgroup string // with ErrFrozen, ErrHeld and ErrThreaded: as /proc/PID/cgroup names it
	Advice string // what to do about it, may be empty
}

func (e *TargetError) Error() string {
	s := fmt.Sprintf("pid %d: %v", e.PID, e.Reason)
	if e.TGID != 0 {
		s += fmt.Sprintf(" of process %d", e.TGID)
	}
	if e.Cgroup != "" {
		s += " (cgroup " + e.Cgroup + ")"
	}
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

func (e *TargetError) Unwrap() error { return e.Reason }

// NoCgroup2Error says that the cgroup v2 hierarchy cannot be used.
type NoCgroup2Error struct{ Reason string }

func (e *NoCgroup2Error) Error() string {
	return "cgroup v2: " + e.Reason + "; mount it writable where fastcr runs (mount -t cgroup2 none /sys/fs/cgroup), in the target's cgroup namespace or one around it"
}

// Is makes a NoCgroup2Error a fastcr.ErrNotSupported.
func (e *NoCgroup2Error) Is(target error) bool { return target == fastcr.ErrNotSupported }

// StuckTask is a task that did not freeze.
type StuckTask struct {
	PID, TID int
	Comm     string
	State    string // as in /proc/PID/stat: D uninterruptible, R running inside the kernel
	Wchan    string // the kernel function it waits in; empty when it runs
}

func (t StuckTask) String() string {
	s := fmt.Sprintf("pid %d thread %d (%s) is in state %s", t.PID, t.TID, t.Comm, t.State)
	if t.Wchan != "" {
		s += ", waiting in " + t.Wchan
	}
	return s
}

// TimeoutError names the tasks that did not freeze in time. The tree runs again.
type TimeoutError struct {
	Timeout time.Duration
	Tasks   []StuckTask // empty if all froze after the deadline
}

func (e *TimeoutError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "not frozen within %s", e.Timeout)
	for _, t := range e.Tasks {
		b.WriteString("; " + t.String())
	}
	b.WriteString("; the tree runs on, try again later or with a longer --timeout")
	return b.String()
}
