package freeze

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// holdWhole uses the cgroup that holds exactly the tree, itself or in cgroups
// below it: a service or a container. Nothing has to be moved then.
func (h *Hold) holdWhole(tree []process) (bool, error) {
	top := commonCgroup(tree)
	dir, err := h.mounts.path(top)
	if err != nil {
		return false, nil // above of what is mounted here
	}
	if err := unix.Access(dir+"/cgroup.freeze", unix.F_OK); err != nil {
		return false, nil // the hierarchy's root
	}
	exact, err := holdsExactly(dir, tree)
	if !exact || err != nil {
		return false, err
	}
	g := &group{name: top, origin: dir, dir: dir, inside: top}
	if err := h.guardian.watch(g); err != nil {
		return false, err
	}
	h.groups = append(h.groups, g)
	for _, p := range tree {
		h.remember(p.pid, p.cgroup)
	}
	h.setPids(tree)
	return true, g.open()
}

// commonCgroup is the deepest cgroup that all of the tree is in or below.
func commonCgroup(tree []process) string {
	top := tree[0].cgroup
	for _, p := range tree {
		for !p.zombie && !within(p.cgroup, top) {
			top = path.Dir(top)
		}
	}
	return top
}

// holdsExactly tells whether the processes in and below a cgroup are the tree.
// Those that were forked since the tree was listed belong to it, those that
// have ended since do not matter.
func holdsExactly(dir string, tree []process) (bool, error) {
	below, err := cgroupsBelow(dir)
	if err != nil {
		return false, err
	}
	known := map[int]bool{}
	for _, p := range tree {
		known[p.pid] = true
	}
	for _, d := range append([]string{dir}, below...) {
		b, err := readFile(d+"/cgroup.procs", nil)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP) {
			continue // just removed, or threaded: its processes show in the domain above it
		}
		if err != nil {
			return false, err
		}
		for _, pid := range parsePids(nil, b) {
			if !known[pid] && isForeign(pid, known) {
				return false, nil
			}
		}
	}
	return true, nil
}

// isForeign tells whether a process lives that was not forked, at whatever distance, by one of these.
func isForeign(pid int, tree map[int]bool) bool {
	for at := pid; at > 1; {
		s, err := statOf(at)
		ended := errors.Is(err, os.ErrNotExist) || err == nil && s.threads == 0 // its stat has no parent any more
		switch {
		case ended && at == pid:
			return false
		case ended:
			at = pid // an ancestor has ended: the process has another parent now
		case err != nil:
			return true
		case tree[s.ppid]:
			return false
		default:
			at = s.ppid
		}
	}
	return true
}

// readsFrozen reads cgroup.freeze.
func readsFrozen(dir string) bool {
	b, err := os.ReadFile(dir + "/cgroup.freeze")
	return err == nil && strings.HasPrefix(string(b), "1")
}

// frozenAt names the cgroup whose cgroup.freeze holds this one, if any does.
func frozenAt(ms mounts, cgroup string) string {
	for at := cgroup; ; at = path.Dir(at) {
		if dir, err := ms.path(at); err == nil && readsFrozen(dir) {
			return at
		}
		if at == "/" {
			break
		}
	}
	// It may be one above of what is mounted here.
	if dir, err := ms.path(cgroup); err == nil {
		if b, err := os.ReadFile(dir + "/cgroup.events"); err == nil && strings.Contains(string(b), string(frozenLine)) {
			return cgroup
		}
	}
	return ""
}

// checkDomain refuses processes whose threads may be in different cgroups:
// moving them would lose which. Such trees can be held as a whole.
func (h *Hold) checkDomain(p process) error {
	if p.zombie {
		return nil
	}
	dir, err := h.mounts.path(p.cgroup)
	if err != nil {
		return err
	}
	refuse := &TargetError{PID: p.pid, Reason: ErrThreaded, Cgroup: p.cgroup, Advice: "give the tree a cgroup that holds nothing else"}
	kind, err := os.ReadFile(dir + "/cgroup.type")
	switch {
	case err == nil && string(kind) != "domain\n":
		return refuse
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("type of cgroup %s: %w", p.cgroup, err)
	}
	// The hierarchy's root has no type, and may have threaded children.
	if h.threadedRoot == nil {
		threaded := hasThreadedChild(dir)
		h.threadedRoot = &threaded
	}
	if *h.threadedRoot && !threadsTogether(p) {
		return refuse
	}
	return nil
}

func hasThreadedChild(dir string) bool {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if b, err := os.ReadFile(dir + "/" + e.Name() + "/cgroup.type"); err == nil && string(b) == "threaded\n" {
			return true
		}
	}
	return false
}

// threadsTogether tells whether all threads are in the main thread's cgroup.
func threadsTogether(p process) bool {
	tasks, _ := os.ReadDir("/proc/" + strconv.Itoa(p.pid) + "/task")
	for _, t := range tasks {
		tid, _ := strconv.Atoi(t.Name())
		if name, err := cgroupOf(tid); err == nil && name != p.cgroup {
			return false
		}
	}
	return true
}
