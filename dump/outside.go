package dump

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// shared are the things that clone(2) can have two processes share, and
// kcmp(2)'s numbers of them (linux/kcmp.h).
var shared = []struct {
	kcmp       uintptr
	what, flag string
}{
	{1, "memory", "CLONE_VM"}, {2, "open files", "CLONE_FILES"}, {3, "working directory", "CLONE_FS"},
}

// relatives is how many of the root's siblings are looked at.
const relatives = 256

// checkOutside refuses a root that is not the root of what it shares: what its
// parent or a sibling has as well, a restore would give it for itself.
func (r *refusal) checkOutside() {
	root := r.tree.Processes[0]
	for _, pid := range family(root.PPID) {
		if r.pids[pid] {
			continue
		}
		for _, s := range shared {
			if sharesWith(root.PID, pid, s.kcmp) {
				r.add(root.PID, -1, root.Comm, fmt.Sprintf("shares its %s with process %d outside of the tree (%s)", s.what, pid, s.flag),
					fmt.Sprintf("dump the tree of process %d", root.PPID))
				return
			}
		}
	}
}

// family is a process and its children; nobody shares anything with init.
func family(pid int) []int {
	if pid <= 1 {
		return nil
	}
	out := []int{pid}
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if err != nil {
			return out
		}
		for _, f := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(f); err == nil && len(out) < relatives {
				out = append(out, child)
			}
		}
	}
	return slices.Compact(out)
}

// sharesWith asks the kernel; it says no where kcmp is missing or forbidden.
func sharesWith(a, b int, what uintptr) bool {
	for {
		same, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), what, 0, 0, 0)
		if !errors.Is(errno, unix.EINTR) {
			return errno == 0 && same == 0
		}
	}
}
