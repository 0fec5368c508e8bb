package freeze

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// openTarget refuses what can never be the root of a checkpoint, and opens a
// pidfd on what can, so that a number that is used again is noticed.
func openTarget(pid int) (pidfd int, err error) {
	if pid <= 0 {
		return -1, &TargetError{PID: pid, Reason: ErrNoProcess}
	}
	if tgid, err := tgidOf(pid); err != nil {
		return -1, err
	} else if tgid != pid {
		return -1, &TargetError{PID: pid, Reason: ErrThread, TGID: tgid, Advice: fmt.Sprintf("give --pid %d", tgid)}
	}
	pidfd, err = unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return -1, &TargetError{PID: pid, Reason: ErrNoProcess}
	}
	if err != nil {
		return -1, fmt.Errorf("pidfd_open of pid %d: %w", pid, err)
	}
	if err := checkTarget(pid); err != nil {
		unix.Close(pidfd)
		return -1, err
	}
	return pidfd, nil
}

// tgidOf is the process that a thread belongs to, from /proc/PID/status.
func tgidOf(pid int) (int, error) {
	b, err := readProc(pid, "status", nil)
	if errors.Is(err, os.ErrNotExist) {
		return 0, &TargetError{PID: pid, Reason: ErrNoProcess}
	}
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		if v, ok := bytes.CutPrefix(line, []byte("Tgid:")); ok {
			return strconv.Atoi(string(bytes.TrimSpace(v)))
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no Tgid", pid)
}

func checkTarget(pid int) error {
	s, err := statOf(pid)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &TargetError{PID: pid, Reason: ErrNoProcess}
	case err != nil:
		return err
	case s.flags&pfKthread != 0:
		return &TargetError{PID: pid, Reason: ErrKernelThread, Advice: s.comm}
	case s.zombie():
		return &TargetError{PID: pid, Reason: ErrExited, Advice: s.comm + " is a zombie, its parent has not waited for it"}
	}
	return checkNotSelf(pid)
}

// checkNotSelf refuses fastcr itself and what it descends from: that is also
// what a tree must be that holds fastcr.
func checkNotSelf(pid int) error {
	for p := os.Getpid(); p > 0; {
		if p == pid {
			return &TargetError{PID: pid, Reason: ErrSelf, Advice: "start fastcr from outside of the tree"}
		}
		s, err := statOf(p)
		if errors.Is(err, os.ErrNotExist) {
			return nil // a parent that has just ended: its children have another now
		}
		if err != nil {
			return err
		}
		p = s.ppid
	}
	return nil
}

// process is one process of a tree as it was listed.
type process struct {
	pid    int
	cgroup string // v2, as /proc/PID/cgroup names it
	zombie bool   // cannot be moved, and is in no cgroup.procs
}

// listTree lists the processes below root, parents before children. Those that
// end meanwhile are left out.
func listTree(root int) ([]process, error) {
	children := childrenOf
	if _, err := os.Stat("/proc/thread-self/children"); err != nil {
		children = scanParents() // a kernel without CONFIG_PROC_CHILDREN
	}
	seen := map[int]bool{root: true} // an orphan may move from one list to another
	pids, tree := []int{root}, []process(nil)
	for i := 0; i < len(pids); i++ {
		below, err := children(pids[i])
		if err != nil {
			return nil, err
		}
		for _, pid := range below {
			if !seen[pid] {
				seen[pid] = true
				pids = append(pids, pid)
			}
		}
		p, err := look(pids[i])
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		tree = append(tree, p)
	}
	if len(tree) == 0 || tree[0].pid != root {
		return nil, &TargetError{PID: root, Reason: ErrExited}
	}
	return tree, nil
}

// look reads one process. Its cgroup.procs entry and its /proc/PID/cgroup are
// those of its main thread: without one it cannot be followed.
func look(pid int) (process, error) {
	s, err := statOf(pid)
	if err != nil {
		return process{}, err
	}
	p := process{pid: pid, zombie: s.zombie()}
	if s.leaderDead() && !p.zombie {
		return p, &TargetError{PID: pid, Reason: ErrLeaderExited, Advice: "criu's images cannot describe it"}
	}
	p.cgroup, err = cgroupOf(pid)
	if p.zombie {
		p.cgroup = trimDeleted(p.cgroup)
	}
	return p, err
}

// childrenOf reads /proc/PID/task/TID/children of every thread.
func childrenOf(pid int) (children []int, err error) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	tasks, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list threads of pid %d: %w", pid, err)
	}
	var buf [4096]byte
	for _, t := range tasks {
		b, err := readFile(dir+"/"+t.Name()+"/children", buf[:])
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended; its siblings have its children now
		}
		if err != nil {
			return nil, err
		}
		children = parsePids(children, b)
	}
	return children, nil
}

// scanParents reads every process's parent, and returns a function like childrenOf.
func scanParents() func(pid int) ([]int, error) {
	below := map[int][]int{}
	dir, err := os.ReadDir("/proc")
	for _, e := range dir {
		pid, notPid := strconv.Atoi(e.Name())
		if notPid != nil {
			continue
		}
		if s, err := statOf(pid); err == nil {
			below[s.ppid] = append(below[s.ppid], pid)
		}
	}
	return func(pid int) ([]int, error) { return below[pid], err }
}
