package dump

import (
	"slices"

	"github.com/fastcr/fastcr/memory"
)

// adopt prepares, inside the freeze, what prepare could not know of: the memory
// of processes that were forked or called execve after the look. It costs the tree a few hundred
// microseconds, and spares it another try.
func (r *run) adopt(pids []int) error {
	tree, err := r.session.Decode()
	if err != nil {
		return err
	}
	for _, p := range tree.Processes {
		if pm := r.memory.of(p.PID); pm != nil {
			pm.forked = memory.Forked(p.VMAs) // it may be a parent now
		}
		if !slices.Contains(pids, p.PID) || p.MM == nil {
			continue
		}
		if _, err := r.addMemory(p); err != nil {
			return err
		}
		if err := r.contents.asker.Add(p.PID); err != nil {
			return err
		}
	}
	more, err := cgroupsOf(r.hold, pids)
	if err != nil {
		return err
	}
	for pid, c := range more {
		r.cgroups[pid] = c
	}
	r.opts.markExternal(tree)
	return r.openDeleted(tree)
}
