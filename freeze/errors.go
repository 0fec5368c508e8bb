package freeze

import (
	"fmt"
	"strings"

	"github.com/fastcr/fastcr"
)

// TargetError says why a pid cannot be checkpointed at all.
type TargetError struct {
	PID    int
	Reason string
}

func (e *TargetError) Error() string { return fmt.Sprintf("pid %d: %s", e.PID, e.Reason) }

// NoCgroup2Error says that no usable cgroup v2 hierarchy is mounted.
type NoCgroup2Error struct{ Reason string }

func (e *NoCgroup2Error) Error() string {
	return "cgroup v2: " + e.Reason + "; mount it (mount -t cgroup2 none /sys/fs/cgroup) or run fastcr where it is visible"
}

// Is makes a NoCgroup2Error a fastcr.ErrNotSupported.
func (e *NoCgroup2Error) Is(target error) bool { return target == fastcr.ErrNotSupported }

// StuckTask is a task that did not freeze.
type StuckTask struct {
	PID, TID           int
	Comm, State, Wchan string
}

// TimeoutError names the tasks that did not freeze in time. The tree runs again.
type TimeoutError struct {
	Timeout string
	Tasks   []StuckTask
}

func (e *TimeoutError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "not frozen within %s", e.Timeout)
	for _, t := range e.Tasks {
		fmt.Fprintf(&b, "; pid %d thread %d (%s) is in state %s, waiting in %s", t.PID, t.TID, t.Comm, t.State, t.Wchan)
	}
	b.WriteString("; the tree runs on, try again later or with a longer --timeout")
	return b.String()
}
