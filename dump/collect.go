package dump

import (
	"slices"
	"time"
)

// collect is all that happens while the target is frozen. Nothing in it is
// opened, resolved, encoded, logged or written, unless the tree grew since the look.
func (r *run) collect() error {
	frozen := time.Now()
	r.res.Stages.Freeze = frozen.Sub(r.frozenAt)
	forked, err := r.takeAttendance()
	if err != nil {
		return err
	}
	if err := r.session.Collect(); err != nil {
		return err
	}
	if len(forked) > 0 {
		if err := r.adopt(forked); err != nil {
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
// that have ended since are dropped, those that were forked are returned, their
// iterators made.
func (r *run) takeAttendance() (forked []int, err error) {
	members, err := r.hold.Members()
	if err != nil {
		return nil, err
	}
	r.memory.keep(members)
	known := r.hold.Pids()
	for _, pid := range members {
		if !slices.Contains(known, pid) {
			forked = append(forked, pid)
		}
	}
	if len(forked) == 0 {
		return nil, nil
	}
	return forked, r.session.Add(forked)
}
