package freeze

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cleanPasses is how many times in a row a changing tree has to be found inside.
// A list of children that changes while it is read may miss one.
const cleanPasses = 3

// gather holds the tree where it is, or moves it, again and again until nothing
// of it is outside: a child forked before its parent was moved is found in the
// next pass, one forked later is born inside.
func (h *Hold) gather(ctx context.Context) error {
	deadline := time.Now().Add(h.opts.Timeout)
	tree, err := listTree(h.opts.Root)
	if err != nil {
		return err
	}
	for _, p := range tree {
		if err := h.claim(ctx, p, deadline); err != nil {
			return err
		}
	}
	if whole, err := h.holdWhole(tree); whole || err != nil {
		return err
	}
	for _, p := range tree {
		if err := h.checkDomain(p); err != nil {
			return err
		}
	}
	defer h.unlock() // they are inside then, and seen to be held
	for clean := 0; ; {
		before := len(h.origins)
		outside, err := h.moveOutside(ctx, tree, deadline)
		if err != nil {
			return err
		}
		clean++
		if outside > 0 {
			clean = 0
		}
		last := len(h.origins) == before && clean > 0 || clean == cleanPasses
		if last {
			h.setPids(tree)
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return &TargetError{PID: h.opts.Root, Reason: ErrForking, Advice: fmt.Sprintf("%d processes after %s, all put back", len(tree), h.opts.Timeout)}
		}
		if tree, err = listTree(h.opts.Root); err != nil {
			return err
		}
	}
}

func (h *Hold) setPids(tree []process) {
	h.pids = h.pids[:0]
	for _, p := range tree {
		h.pids = append(h.pids, p.pid)
	}
}

// claim locks the cgroup of a process that is to be moved or held, and checks,
// before anything is changed, that this can be done.
func (h *Hold) claim(ctx context.Context, p process, deadline time.Time) error {
	if p.zombie {
		return nil
	}
	refuse := func(why error, advice string) error {
		return &TargetError{PID: p.pid, Reason: why, Cgroup: p.cgroup, Advice: advice}
	}
	if IsTemporary(p.cgroup) {
		return refuse(ErrHeld, "wait for it; if it was killed together with its guardian, move the processes to the cgroup above and remove this one")
	}
	dir, err := h.mounts.path(p.cgroup)
	if err != nil {
		return err
	}
	if _, locked := h.locks[dir]; locked {
		return nil
	}
	fd, err := lockCgroup(ctx, dir, deadline)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the process has ended, and its cgroup was removed
	}
	if errors.Is(err, ErrHeld) {
		return refuse(ErrHeld, "")
	}
	if err != nil {
		return err
	}
	h.locks[dir] = fd
	if at := frozenAt(h.mounts, p.cgroup); at != "" {
		return refuse(ErrFrozen, "thaw cgroup "+at+" first")
	}
	return nil
}

// unlock lets other dumps have the cgroups.
func (h *Hold) unlock() {
	for dir, fd := range h.locks {
		unix.Close(fd)
		delete(h.locks, dir)
	}
}

// moveOutside moves the processes that are not inside yet, and tells how many
// there were.
func (h *Hold) moveOutside(ctx context.Context, tree []process, deadline time.Time) (outside int, err error) {
	for _, p := range tree {
		if p.zombie {
			h.remember(p.pid, p.cgroup)
			continue
		}
		if g := h.groupAt(p.cgroup); g != nil {
			h.remember(p.pid, g.name)
			continue
		}
		outside++
		if err := h.claim(ctx, p, deadline); err != nil {
			return outside, err
		}
		// Where it is now that nobody else moves it.
		if p.cgroup, err = cgroupOf(p.pid); errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return outside, err
		}
		if dir, err := h.mounts.path(p.cgroup); err != nil {
			return outside, err
		} else if _, locked := h.locks[dir]; !locked {
			continue // the next pass looks again
		}
		if err := h.checkDomain(p); err != nil {
			return outside, err
		}
		g, err := h.groupFor(p.cgroup)
		if err != nil {
			return outside, err
		}
		h.remember(p.pid, p.cgroup)
		if err := g.add(p.pid); err != nil {
			return outside, err
		}
	}
	return outside, nil
}

// remember notes where a process comes from; what was noted first holds.
func (h *Hold) remember(pid int, cgroup string) {
	if _, known := h.origins[pid]; !known {
		h.origins[pid] = cgroup
	}
}

// groupAt is the group that the cgroup of this name in /proc/PID/cgroup belongs to.
func (h *Hold) groupAt(cgroup string) *group {
	for _, g := range h.groups {
		if within(cgroup, g.inside) {
			return g
		}
	}
	return nil
}

// within tells whether a cgroup is another or lies below it.
func within(cgroup, other string) bool {
	rest, ok := strings.CutPrefix(cgroup, strings.TrimSuffix(other, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// groupFor is the temporary child of a cgroup, made when needed. The guardian
// hears of it first.
func (h *Hold) groupFor(cgroup string) (*group, error) {
	dir, err := h.mounts.path(cgroup)
	if err != nil {
		return nil, err
	}
	for _, g := range h.groups {
		if g.origin == dir {
			return g, nil
		}
	}
	g := temporaryGroup(cgroup, dir, h.opts.Root)
	if _, err := os.Lstat(g.dir); err == nil {
		return nil, fmt.Errorf("make temporary cgroup %s: %w: remove what another fastcr left", g.dir, unix.EEXIST)
	}
	if err := h.guardian.watch(g); err != nil {
		return nil, err
	}
	if err := unix.Mkdir(g.dir, 0o755); errors.Is(err, unix.EAGAIN) {
		return nil, fmt.Errorf("make temporary cgroup %s: no more are allowed there (cgroup.max.depth, cgroup.max.descendants): %w", g.dir, err)
	} else if err != nil {
		return nil, fmt.Errorf("make temporary cgroup %s: %w", g.dir, err)
	}
	h.groups = append(h.groups, g)
	return g, g.open()
}

// add moves a process in. One that has ended stays where it is.
func (g *group) add(pid int) error {
	_, err := unix.Pwrite(g.nodes[0].procs, strconv.AppendInt(nil, int64(pid), 10), 0)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("move pid %d to %s: %w", pid, g.dir, err)
	}
	return nil
}
