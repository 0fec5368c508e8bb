package freeze

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// pfKthread is PF_KTHREAD of task_struct.flags, as /proc/PID/stat shows it.
const pfKthread = 0x00200000

// checkTarget refuses what can never be the root of a checkpoint.
func checkTarget(pid int) error {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return &TargetError{pid, "no such process"}
	}
	status, err := p.NewStatus()
	if err != nil {
		return &TargetError{pid, "no such process"}
	}
	if status.TGID != pid {
		return &TargetError{pid, fmt.Sprintf("is a thread of process %d: give --pid %d", status.TGID, status.TGID)}
	}
	stat, err := p.Stat()
	if err != nil {
		return &TargetError{pid, "no such process"}
	}
	if stat.Flags&pfKthread != 0 {
		return &TargetError{pid, fmt.Sprintf("is a kernel thread (%s)", stat.Comm)}
	}
	if stat.State == "Z" || stat.State == "X" {
		return &TargetError{pid, fmt.Sprintf("has exited (%s, state %s)", stat.Comm, stat.State)}
	}
	return checkNotSelf(pid)
}

// checkNotSelf refuses fastcr itself and what it descends from.
func checkNotSelf(pid int) error {
	for p := os.Getpid(); p > 0; {
		if p == pid {
			if pid == os.Getpid() {
				return &TargetError{pid, "is fastcr itself"}
			}
			return &TargetError{pid, "is an ancestor of fastcr itself: start fastcr from outside of the tree"}
		}
		proc, err := procfs.NewProc(p)
		if err != nil {
			return nil
		}
		stat, err := proc.Stat()
		if err != nil {
			return nil
		}
		p = stat.PPID
	}
	return nil
}

// listTree lists the processes below root, root first (/proc/PID/task/TID/children).
// Processes that exit meanwhile are left out.
func listTree(root int) ([]int, error) {
	pids := []int{root}
	for i := 0; i < len(pids); i++ {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pids[i]))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list threads of %d: %w", pids[i], err)
		}
		for _, t := range tasks {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pids[i], t.Name()))
			if err != nil {
				continue // the thread is gone
			}
			for f := range strings.FieldsSeq(string(b)) {
				if pid, err := strconv.Atoi(f); err == nil {
					pids = append(pids, pid)
				}
			}
		}
	}
	return pids, nil
}

// stuckTasks lists the tasks of these processes that are not frozen, which in
// practice are those in uninterruptible sleep.
func stuckTasks(pids []int) []StuckTask {
	var stuck []StuckTask
	for _, pid := range pids {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, t := range tasks {
			dir := fmt.Sprintf("/proc/%d/task/%s/", pid, t.Name())
			stat, err := os.ReadFile(dir + "stat")
			if err != nil {
				continue
			}
			_, rest, ok := strings.Cut(string(stat), ") ")
			if !ok || (rest[0] != 'D' && rest[0] != 'R') {
				continue
			}
			comm, _ := os.ReadFile(dir + "comm")
			wchan, _ := os.ReadFile(dir + "wchan")
			tid, _ := strconv.Atoi(t.Name())
			stuck = append(stuck, StuckTask{pid, tid, strings.TrimSpace(string(comm)), rest[:1], string(wchan)})
		}
	}
	return stuck
}
