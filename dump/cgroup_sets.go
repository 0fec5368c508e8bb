package dump

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/freeze"
)

// cgroupsOf reads every process's cgroups; for v2 the one it was in before it was held.
func cgroupsOf(h *freeze.Hold, pids []int) (map[int][]fastcr.Cgroup, error) {
	out := make(map[int][]fastcr.Cgroup, len(pids))
	for _, pid := range pids {
		c, err := readCgroups(pid)
		if err != nil {
			return nil, err
		}
		for i := range c {
			if c[i].Controllers == "" {
				c[i].Path = h.OriginalCgroup(pid)
			}
		}
		out[pid] = c
	}
	return out, nil
}

// prepareCgroups reads where threads are that are not with their process, as version 1
// allows, and the directories that a restore makes anew. The look is done.
func (r *run) prepareCgroups() error {
	r.threadCgroups = map[int][]fastcr.Cgroup{}
	for _, p := range r.look.Processes {
		for _, t := range p.Threads {
			if t.CgroupsID == p.Threads[0].CgroupsID {
				continue
			}
			set, err := readCgroupFile(fmt.Sprintf("/proc/%d/task/%d/cgroup", p.PID, t.TID))
			if err != nil {
				return err
			}
			for i := range set {
				if set[i].Controllers == "" {
					set[i].Path = r.hold.OriginalCgroup(p.PID)
				}
			}
			r.threadCgroups[t.TID] = set
		}
	}
	if r.opts.ManageCgroups == "ignore" {
		return nil
	}
	var sets [][]fastcr.Cgroup
	sets = slices.AppendSeq(sets, maps.Values(r.cgroups))
	sets = slices.AppendSeq(sets, maps.Values(r.threadCgroups))
	dirs, err := readCgroupDirs(sets, &r.opts)
	r.cgroupDirs = dirs
	return err
}

// readCgroups parses /proc/PID/cgroup; a process that is gone has none.
func readCgroups(pid int) ([]fastcr.Cgroup, error) {
	return readCgroupFile(fmt.Sprintf("/proc/%d/cgroup", pid))
}

func readCgroupFile(path string) ([]fastcr.Cgroup, error) {
	b, err := os.ReadFile(path)
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseCgroups(string(b)), nil
}

func parseCgroups(text string) (out []fastcr.Cgroup) {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) == 3 {
			out = append(out, fastcr.Cgroup{Controllers: fields[1], Path: fields[2]})
		}
	}
	return out
}
