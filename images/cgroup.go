package images

import (
	"sort"
	"strings"

	"github.com/checkpoint-restore/go-criu/v8/crit/images/cgroup"

	"github.com/fastcr/fastcr"
)

// ownCgroupSet is the set that fastcr itself is in. Processes in it are
// restored wherever criu runs, as criu does for its own.
const ownCgroupSet = 1

// cgroupTable numbers the sets of cgroups that processes are in.
type cgroupTable struct {
	ids  map[string]uint32
	sets [][]fastcr.Cgroup // by id-1
}

func newCgroupTable(own []fastcr.Cgroup) *cgroupTable {
	t := &cgroupTable{ids: map[string]uint32{}}
	t.of(own)
	return t
}

// key is a canonical text of a set.
func (t *cgroupTable) of(set []fastcr.Cgroup) uint32 {
	parts := make([]string, len(set))
	for i, c := range set {
		parts[i] = c.Controllers + ":" + c.Path
	}
	sort.Strings(parts)
	key := strings.Join(parts, "\n")
	if id, ok := t.ids[key]; ok {
		return id
	}
	t.sets = append(t.sets, set)
	id := uint32(len(t.sets))
	t.ids[key] = id
	return id
}

// set is the number of a process's set.
func (t *cgroupTable) set(p *fastcr.Process) uint32 {
	if len(p.Cgroups) == 0 {
		return ownCgroupSet
	}
	return t.of(p.Cgroups)
}

// writeCgroups writes cgroup.img when some process is elsewhere than fastcr.
func (e *Encoder) writeCgroups(d *Dir) error {
	t := e.cgroups
	if len(t.sets) < 2 || e.opts.CgroupMode == "ignore" || e.opts.CgroupMode == "none" {
		return nil
	}
	entry := &cgroup.CgroupEntry{}
	controllers := map[string]*cgroup.CgControllerEntry{}
	for i, set := range t.sets {
		s := &cgroup.CgSetEntry{Id: u32(i + 1)}
		for _, c := range set {
			name := c.Controllers
			s.Ctls = append(s.Ctls, &cgroup.CgMemberEntry{Name: str(name), Path: str(c.Path)})
			ctl := controllers[name]
			if ctl == nil {
				ctl = &cgroup.CgControllerEntry{Cnames: strings.Split(name, ",")}
				controllers[name] = ctl
				entry.Controllers = append(entry.Controllers, ctl)
			}
			if i > 0 {
				addCgroupDir(ctl, c.Path)
			}
		}
		sort.Slice(s.Ctls, func(i, j int) bool { return *s.Ctls[i].Name < *s.Ctls[j].Name })
		entry.Sets = append(entry.Sets, s)
	}
	w := newImage(magicCgroup)
	if err := w.message(entry); err != nil {
		return err
	}
	return d.put("cgroup.img", w)
}

// addCgroupDir adds a directory below the hierarchy's root, once.
func addCgroupDir(ctl *cgroup.CgControllerEntry, path string) {
	rel := strings.TrimPrefix(path, "/")
	for _, d := range ctl.Dirs {
		if *d.DirName == rel {
			return
		}
	}
	ctl.Dirs = append(ctl.Dirs, &cgroup.CgroupDirEntry{DirName: &rel})
}
