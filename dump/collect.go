package dump

import (
	"errors"
	"slices"
	"time"

	"github.com/fastcr/fastcr"
)

// collect is all that happens while the target is frozen. Nothing in it is
// opened, resolved, encoded, logged or written, unless the tree grew since the look.
func (r *run) collect() error {
	frozen := time.Now()
	r.res.Stages.Freeze = frozen.Sub(r.frozenAt)
	if err := r.takeAttendance(); err != nil {
		return err
	}
	if err := r.packets.lockKnown(); err != nil {
		return err
	}
	if err := r.drainAIO(); err != nil {
		return err
	}
	if err := r.read(); err != nil {
		return err
	}
	if err := r.checkAIOUsers(); err != nil {
		return err
	}
	if err := r.lockPackets(); err != nil {
		return err
	}
	if err := r.saveSleepers(); err != nil {
		return err
	}
	if len(r.forked) > 0 {
		if err := r.adopt(r.forked); err != nil {
			return err
		}
	}
	collected := time.Now()
	r.res.Stages.Collect = collected.Sub(frozen)
	if err := r.memory.copy(); err != nil {
		return err
	}
	if err := r.ask(); err != nil {
		return err
	}
	now := time.Now()
	r.res.Stages.Copy, r.res.Frozen = now.Sub(collected), now.Sub(r.frozenAt)
	return nil
}

// takeAttendance compares who is frozen with who was there at the look: processes
// that have ended since are dropped, those that were forked get iterators.
func (r *run) takeAttendance() error {
	members, err := r.hold.Members()
	if err != nil {
		return err
	}
	r.memory.keep(members)
	known := r.hold.Pids()
	before := len(r.forked)
	for _, pid := range members {
		if !slices.Contains(known, pid) && !slices.Contains(r.forked, pid) {
			r.forked = append(r.forked, pid)
		}
	}
	return r.session.Add(r.forked[before:])
}

// exitPatience is how often processes on their way out are waited for, in steps of exitStep;
// movePatience how often bytes on their way into a terminal's queue.
const (
	exitPatience = 200
	movePatience = 20
	exitStep     = 100 * time.Microsecond
)

// read reads the iterators, again as long as it meets processes that are exiting:
// those go on in a frozen cgroup, and are zombies or gone a moment later. The same goes for
// bytes that the kernel has yet to put into a terminal's queue.
func (r *run) read() error {
	for try := range exitPatience {
		if err := r.session.Collect(); err != nil {
			return err
		}
		exiting := false
		if err := r.session.EachProcess(func(pid int, mm fastcr.KObj, leaves bool) {
			exiting = exiting || leaves
			r.noteExec(pid, mm)
		}); err != nil {
			return err
		}
		moving, err := r.terminalsMove(try)
		if err != nil {
			return err
		}
		if !exiting && !moving {
			return nil
		}
		time.Sleep(exitStep)
		if err := r.session.Rearm(); err != nil {
			return err
		}
		if err := r.takeAttendance(); err != nil {
			return err
		}
	}
	return errors.New("processes of the tree are exiting and do not end")
}

// terminalsMove tells whether a terminal is worth another look. Trees without a pty are not
// searched for one.
func (r *run) terminalsMove(try int) (bool, error) {
	if !r.hasPTY || try >= movePatience {
		return false, nil
	}
	return r.session.TerminalsMove()
}

// noteExec has a process that called execve since the look prepared anew: what
// was opened of its memory is the old address space's.
func (r *run) noteExec(pid int, mm fastcr.KObj) {
	pm := r.memory.of(pid)
	if pm != nil && mm != 0 && pm.mm != mm {
		r.memory.drop(pid)
		r.forked = append(r.forked, pid)
	}
}
