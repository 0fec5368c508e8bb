package freeze

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// dissolveFor is how long a temporary cgroup may take to become empty.
const dissolveFor = 5 * time.Second

// Stop makes every process of a frozen tree stop (SIGSTOP) as soon as it is thawed.
func (h *Hold) Stop() error {
	pids, err := h.Members()
	if err != nil {
		return err
	}
	return signalAll(pids, unix.SIGSTOP)
}

// signalAll signals frozen processes: their numbers stay theirs.
func signalAll(pids []int, sig unix.Signal) (err error) {
	for _, pid := range pids {
		if e := unix.Kill(pid, sig); e != nil && !errors.Is(e, unix.ESRCH) {
			err = errors.Join(err, fmt.Errorf("send %s to pid %d: %w", unix.SignalName(sig), pid, e))
		}
	}
	return err
}

// Kill ends every process of a frozen tree and waits until all have ended. A
// zombie whose parent does not wait for it has. In a cgroup that is held as it
// is, processes that somebody put there after the last call of Members live on.
func (h *Hold) Kill() error {
	if !h.attended {
		if _, err := h.Members(); err != nil {
			return err
		}
	}
	victims := slices.Clone(h.members)
	slices.Sort(victims)
	for _, g := range h.groups {
		if err := h.killGroup(g, victims); err != nil {
			return err
		}
	}
	deadline := time.Now().Add(h.opts.Timeout)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		left, err := h.Members()
		if err != nil {
			return err
		}
		if left = only(left, victims); len(left) == 0 && h.poll(h.rootFD) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("pid %d: killed, but processes %v have not ended after %s", h.opts.Root, left, h.opts.Timeout)
		}
		time.Sleep(pause)
	}
}

// killGroup writes cgroup.kill (5.14+), which no fork escapes. Where strangers may
// be inside too, the victims are signalled one by one.
func (h *Hold) killGroup(g *group, victims []int) error {
	if g.temporary && g.killer >= 0 {
		if _, err := unix.Pwrite(g.killer, []byte("1"), 0); err != nil {
			return fmt.Errorf("write %s/cgroup.kill: %w", g.dir, err)
		}
		return nil
	}
	pids, err := g.members(nil, h.procs)
	if err != nil {
		return err
	}
	return signalAll(only(pids, victims), unix.SIGKILL)
}

// only keeps those pids that are in a sorted list too.
func only(pids, sorted []int) []int {
	return slices.DeleteFunc(pids, func(pid int) bool {
		_, found := slices.BinarySearch(sorted, pid)
		return !found
	})
}

// Release thaws the tree, moves it back, removes the temporary cgroups and ends
// the guardian. It may be called twice. After an error it may be called again;
// until then, and when fastcr ends, the guardian goes on trying.
func (h *Hold) Release() error {
	err := h.Thaw()
	h.unlock()
	h.groups = slices.DeleteFunc(h.groups, func(g *group) bool {
		if g.temporary {
			if e := dissolve(g.dir, g.origin, dissolveFor); e != nil {
				err = errors.Join(err, e)
				return false
			}
		}
		if g.frozen {
			return false
		}
		g.close()
		return true
	})
	if len(h.groups) > 0 {
		return err
	}
	if h.guardian != nil {
		h.guardian.dismiss()
		h.guardian = nil
	}
	if h.rootFD >= 0 {
		unix.Close(h.rootFD)
		h.rootFD = -1
	}
	return err
}

// dissolve moves everything in and below the temporary cgroup dir back to origin
// and removes it, as the guardian does by itself. Processes that fork
// meanwhile are moved too, those that end are waited for.
func dissolve(dir, origin string, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		moved, err := empty(dir, origin)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("remove temporary cgroup %s: %w", dir, err)
		}
		if moved == 0 {
			time.Sleep(time.Millisecond) // tasks that end leave the cgroup a moment later
		}
	}
}

// empty tries once. Its error says what is in the way of the removal.
func empty(dir, origin string) (moved int, err error) {
	dirs, err := cgroupsBelow(dir)
	if err != nil {
		return 0, err
	}
	dirs = append([]string{dir}, dirs...)
	var errs []error
	for _, d := range dirs {
		n, err := evacuate(d, origin)
		moved += n
		errs = append(errs, err)
	}
	for _, d := range slices.Backward(dirs) {
		if e := unix.Rmdir(d); e != nil && !errors.Is(e, unix.ENOENT) {
			return moved, errors.Join(append(errs, e)...)
		}
	}
	return moved, nil
}

// evacuate moves the processes of one cgroup to another.
func evacuate(dir, to string) (moved int, err error) {
	b, err := readFile(dir+"/cgroup.procs", nil)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP) {
		return 0, nil // removed, or threaded: its processes show in the domain above it
	}
	if err != nil {
		return 0, err
	}
	fd, err := openAt(to, "cgroup.procs", unix.O_WRONLY)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	for _, pid := range parsePids(nil, b) {
		if pid == 0 {
			continue // one that our pid namespace does not show; writing 0 would move us
		}
		switch _, e := unix.Write(fd, strconv.AppendInt(nil, int64(pid), 10)); {
		case e == nil:
			moved++
		case !errors.Is(e, unix.ESRCH):
			err = errors.Join(err, fmt.Errorf("move pid %d to %s: %w", pid, to, e))
		}
	}
	return moved, err
}
