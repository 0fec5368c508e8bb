package dump

import "github.com/fastcr/fastcr/memory"

// adopt prepares, inside the freeze, what prepare could not know of: processes
// that were forked after the look. It costs their parents' freeze a few hundred
// microseconds each, and spares them another try.
func (r *run) adopt(pids []int) error {
	if err := r.session.Add(pids); err != nil {
		return err
	}
	for _, pid := range pids {
		c, err := readCgroups(pid)
		if err != nil {
			return err
		}
		for i := range c {
			if c[i].Controllers == "" {
				c[i].Path = r.hold.OriginalCgroup(pid)
			}
		}
		r.cgroups[pid] = c
		if err := r.contents.asker.Add(pid); err != nil {
			return err
		}
		pm := &procMemory{pid: pid}
		if pm.scanner, err = memory.NewScanner(pid); err != nil {
			return err
		}
		r.memory.procs = append(r.memory.procs, pm)
		if pm.source, err = memory.NewSource(pid); err != nil {
			return err
		}
		r.memory.sources = append(r.memory.sources, pm.source)
		// Its mappings are not known yet; a fork's are nearly its parent's.
		pm.areas, pm.vdso = r.memory.procs[0].areas, r.memory.procs[0].vdso
	}
	return nil
}
