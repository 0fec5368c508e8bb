package freeze

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Options say which tree to hold.
type Options struct {
	Root    int           // pid of the tree's root, in fastcr's pid namespace
	Timeout time.Duration // for catching a forking tree, and for each Freeze
}

// Hold is a process tree whose tasks sit in cgroups that hold nothing else.
// Release it, whatever happens. It is used by one goroutine at a time.
type Hold struct {
	opts     Options
	mnt      mount
	groups   []*group
	origins  map[int]string // pid → original cgroup
	pids     []int
	guardian *guardian
	scratch  []byte
	procs    []byte
	members  []int
}

// spin is how long Freeze looks by itself before it sleeps in poll(2), whose
// notifications the kernel sends at most every 10 ms.
const spin = 5 * time.Millisecond

// Prepare finds the tree below opts.Root and moves it, running, into temporary
// children of its own cgroups. On an error everything is as it was.
func Prepare(ctx context.Context, opts Options) (*Hold, error) {
	mnt, err := findMount()
	if err != nil {
		return nil, err
	}
	if err := checkTarget(opts.Root); err != nil {
		return nil, err
	}
	h := &Hold{opts: opts, mnt: mnt, origins: map[int]string{}, scratch: make([]byte, 256), procs: make([]byte, 64<<10), members: make([]int, 0, 4096)}
	if h.guardian, err = startGuardian(); err != nil {
		return nil, err
	}
	if err := h.gather(ctx); err != nil {
		return nil, errors.Join(err, h.Release())
	}
	return h, nil
}

// gather moves the tree in, again and again until nothing of it is outside: a
// child forked before its parent was moved is found in the next pass, one
// forked later is born inside.
func (h *Hold) gather(ctx context.Context) error {
	deadline := time.Now().Add(h.opts.Timeout)
	for pass := 0; ; pass++ {
		pids, err := listTree(h.opts.Root)
		if err != nil {
			return err
		}
		if pass == 0 {
			if done, err := h.takeWhole(pids); done || err != nil {
				return err
			}
		}
		moved, err := h.moveNew(pids)
		if err != nil {
			return err
		}
		if moved == 0 {
			h.pids = pids
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return &TargetError{h.opts.Root, fmt.Sprintf("forks faster than its tree can be caught within %s; nothing was changed", h.opts.Timeout)}
		}
	}
	if err := unix.Kill(h.opts.Root, 0); err != nil {
		return &TargetError{h.opts.Root, "has exited"}
	}
	return nil
}

// takeWhole uses the tree's own cgroup when it holds exactly the tree.
func (h *Hold) takeWhole(pids []int) (bool, error) {
	name, err := cgroupOf(h.opts.Root)
	if err != nil {
		return false, h.gone(err)
	}
	dir, err := h.mnt.path(name)
	if err != nil {
		return false, err
	}
	if frozen, err := os.ReadFile(dir + "/cgroup.events"); err == nil && strings.Contains(string(frozen), "frozen 1") {
		return false, &TargetError{h.opts.Root, "its cgroup " + name + " is frozen already: thaw it first"}
	}
	if name == "/" || !holdsExactly(dir, pids) {
		return false, nil
	}
	g := &group{name: name, origin: dir, dir: dir}
	if err := g.open(); err != nil {
		return false, err
	}
	if err := h.guardian.watch(dir, dir); err != nil {
		g.close()
		return false, err
	}
	h.groups = append(h.groups, g)
	for _, pid := range pids {
		h.origins[pid] = name
	}
	h.pids = pids
	return true, nil
}

// holdsExactly tells whether a cgroup has no children and these processes only.
func holdsExactly(dir string, pids []int) bool {
	stat, err := os.ReadFile(dir + "/cgroup.stat")
	if err != nil || !strings.Contains(string(stat), "nr_descendants 0\n") {
		return false
	}
	b, err := os.ReadFile(dir + "/cgroup.procs")
	if err != nil {
		return false
	}
	for f := range strings.FieldsSeq(string(b)) {
		if pid, err := strconv.Atoi(f); err != nil || !slices.Contains(pids, pid) {
			return false
		}
	}
	return len(b) > 0
}

// moveNew moves the processes that are not inside yet.
func (h *Hold) moveNew(pids []int) (moved int, err error) {
	for _, pid := range pids {
		if _, known := h.origins[pid]; known {
			continue
		}
		name, err := cgroupOf(pid)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return moved, err
		}
		if g := h.inside(name); g != nil { // born inside
			h.origins[pid] = g.name
			continue
		}
		g, err := h.groupFor(name)
		if err != nil {
			return moved, err
		}
		if err := g.add(pid); err != nil {
			return moved, err
		}
		h.origins[pid] = name
		moved++
	}
	return moved, nil
}

func (h *Hold) inside(name string) *group {
	for _, g := range h.groups {
		if g.temporary() && path.Join(g.name, path.Base(g.dir)) == name {
			return g
		}
	}
	return nil
}

// groupFor is the temporary child of the cgroup with this name, made when needed.
func (h *Hold) groupFor(name string) (*group, error) {
	for _, g := range h.groups {
		if g.name == name {
			return g, nil
		}
	}
	origin, err := h.mnt.path(name)
	if err != nil {
		return nil, err
	}
	g := &group{name: name, origin: origin, dir: fmt.Sprintf("%s/fastcr.%d.%d", origin, os.Getpid(), h.opts.Root)}
	if err := h.guardian.watch(g.dir, g.origin); err != nil {
		return nil, err
	}
	if err := unix.Mkdir(g.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make temporary cgroup %s: %w", g.dir, err)
	}
	if err := g.open(); err != nil {
		return nil, errors.Join(err, unix.Rmdir(g.dir))
	}
	h.groups = append(h.groups, g)
	return g, nil
}

// gone turns an error about the root that vanished into a clear one.
func (h *Hold) gone(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return &TargetError{h.opts.Root, "has exited"}
	}
	return err
}

// Pids are the processes of the tree as Prepare found them, zombies included,
// the root first.
func (h *Hold) Pids() []int { return h.pids }

// OriginalCgroup is the v2 cgroup that pid was in before it was moved, as
// /proc/PID/cgroup names it. A process forked since is in its parent's.
func (h *Hold) OriginalCgroup(pid int) string {
	if name, ok := h.origins[pid]; ok {
		return name
	}
	if name, err := cgroupOf(pid); err == nil {
		if g := h.inside(name); g != nil {
			return g.name
		}
		return name
	}
	return h.groups[0].name
}

// Release thaws the tree, moves it back, removes the temporary cgroups and ends
// the guardian. It may be called twice.
func (h *Hold) Release() error {
	err := h.Thaw()
	for _, g := range h.groups {
		g.close()
		if g.temporary() {
			err = errors.Join(err, dissolve(g.dir, g.origin))
		}
	}
	h.groups = nil
	if h.guardian != nil && err == nil {
		h.guardian.dismiss()
		h.guardian = nil
	}
	return err
}
