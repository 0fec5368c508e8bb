package freeze

import (
	"os"
	"slices"
	"strconv"
	"strings"
)

// stuckTasks lists the tasks of these processes that did not freeze. It has to
// be asked before the thaw: afterwards they look like all others.
func stuckTasks(pids []int) (stuck []StuckTask) {
	for _, pid := range pids {
		tasks, _ := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
		for _, t := range tasks {
			dir := "/proc/" + strconv.Itoa(pid) + "/task/" + t.Name() + "/"
			b, err := readFile(dir+"stat", nil)
			if err != nil {
				continue
			}
			s, err := parseStat(b)
			if err != nil {
				continue
			}
			wchan, _ := readFile(dir+"wchan", nil)
			if w := strings.TrimPrefix(string(wchan), "0"); isStuck(s.state, w) {
				tid, _ := strconv.Atoi(t.Name())
				stuck = append(stuck, StuckTask{pid, tid, s.comm, string(rune(s.state)), w})
			}
		}
	}
	return stuck
}

// isStuck tells whether a task is none of those that count as frozen: in the
// freezer's trap, a vfork parent, stopped, traced or dead.
func isStuck(state byte, wchan string) bool {
	wchan, _, _ = strings.Cut(wchan, ".") // compilers add .isra.0 and the like
	switch state {
	case 'R':
		return true
	case 'D':
		return !slices.Contains([]string{"kernel_clone", "wait_for_vfork_done", "_do_fork"}, wchan)
	case 'S':
		return wchan != "" && wchan != "get_signal" && wchan != "do_freezer_trap"
	}
	return false
}
