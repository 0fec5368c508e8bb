package images

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
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

// set is the number of a thread's set: that of its process, as a rule.
func (t *cgroupTable) set(p *fastcr.Process, thread *fastcr.Thread) uint32 {
	switch {
	case len(thread.Cgroups) > 0:
		return t.of(thread.Cgroups)
	case len(p.Cgroups) == 0:
		return ownCgroupSet
	}
	return t.of(p.Cgroups)
}

// writeCgroups writes cgroup.img when some process is elsewhere than fastcr: who is
// where, and the cgroups that the restore makes if they are missing.
func (e *Encoder) writeCgroups(d *Dir) error {
	t := e.cgroups
	if len(t.sets) <= ownCgroupSet {
		return nil
	}
	entry := &pb.CgroupEntry{}
	controllers := map[string]bool{}
	for i, set := range t.sets {
		s := &pb.CgSetEntry{Id: u32(i + 1)}
		for _, c := range set {
			s.Ctls = append(s.Ctls, &pb.CgMemberEntry{Name: str(c.Controllers), Path: str(c.Path)})
			controllers[c.Controllers] = true
		}
		sort.Slice(s.Ctls, func(i, j int) bool { return *s.Ctls[i].Name < *s.Ctls[j].Name })
		entry.Sets = append(entry.Sets, s) // fastcr's own too: a process may be in it whose parent is not
	}
	for _, name := range slices.Sorted(maps.Keys(controllers)) {
		ctl := &pb.CgControllerEntry{Cnames: strings.Split(name, ","), IsThreaded: boolean(false)}
		for i := range e.opts.CgroupDirs[name] {
			dir := &e.opts.CgroupDirs[name][i]
			ctl.Dirs = append(ctl.Dirs, cgroupDir(dir))
			*ctl.IsThreaded = *ctl.IsThreaded || isThreaded(dir)
		}
		entry.Controllers = append(entry.Controllers, ctl)
	}
	w := newImage(magicCgroup)
	if err := w.message(entry); err != nil {
		return err
	}
	return d.put("cgroup.img", w)
}

func cgroupDir(d *fastcr.CgroupDir) *pb.CgroupDirEntry {
	perms := func(mode, uid, gid uint32) *pb.CgroupPerms {
		return &pb.CgroupPerms{Mode: &mode, Uid: &uid, Gid: &gid}
	}
	e := &pb.CgroupDirEntry{DirName: &d.Name, DirPerms: perms(d.Mode, d.UID, d.GID)}
	for i := range d.Props {
		p := &d.Props[i]
		e.Properties = append(e.Properties, &pb.CgroupPropEntry{Name: &p.Name, Value: &p.Value, Perms: perms(p.Mode, p.UID, p.GID)})
	}
	for i := range d.Children {
		e.Children = append(e.Children, cgroupDir(&d.Children[i]))
	}
	return e
}

// isThreaded says that threads of one process may be in several cgroups: in
// version 1, or below a threaded one.
func isThreaded(d *fastcr.CgroupDir) bool {
	for _, p := range d.Props {
		if p.Name == "tasks" || p.Name == "cgroup.type" && p.Value == "threaded" {
			return true
		}
	}
	return slices.ContainsFunc(d.Children, func(c fastcr.CgroupDir) bool { return isThreaded(&c) })
}
