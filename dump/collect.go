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
	if err := r.addForked(); err != nil {
		return err
	}
	if err := r.session.Collect(); err != nil {
		return err
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

// addForked takes in processes that were forked between the look and the freeze.
func (r *run) addForked() error {
	members, err := r.hold.Members()
	if err != nil {
		return err
	}
	known := r.hold.Pids()
	var forked []int
	for _, pid := range members {
		if !slices.Contains(known, pid) {
			forked = append(forked, pid)
		}
	}
	if len(forked) == 0 {
		return nil
	}
	return r.adopt(forked)
}
