package dump

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/freeze"
)

// cgroupProps are the properties that criu keeps, by controller, in the order in
// which they have to be written.
var cgroupProps = map[string][]string{
	"cpu": {"cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.rt_period_us", "cpu.rt_runtime_us"},
	"memory": {"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.swappiness", "memory.soft_limit_in_bytes",
		"memory.move_charge_at_immigrate", "memory.oom_control", "memory.use_hierarchy", "memory.kmem.limit_in_bytes", "memory.kmem.tcp.limit_in_bytes"},
	"cpuset": {"cpuset.cpus", "cpuset.mems", "cpuset.memory_migrate", "cpuset.cpu_exclusive", "cpuset.mem_exclusive", "cpuset.mem_hardwall",
		"cpuset.memory_spread_page", "cpuset.memory_spread_slab", "cpuset.sched_load_balance", "cpuset.sched_relax_domain_level"},
	"blkio":    {"blkio.weight"},
	"net_cls":  {"net_cls.classid"},
	"net_prio": {"net_prio.ifpriomap"},
	"pids":     {"pids.max"},
	"devices":  {"devices.list"},
}

// Those that every cgroup has, of version 1 and 2.
var (
	cgroupPropsV1 = []string{"cgroup.clone_children", "notify_on_release", "cgroup.procs", "tasks"}
	cgroupPropsV2 = []string{"cgroup.subtree_control", "cgroup.max.descendants", "cgroup.max.depth", "cgroup.freeze", "cgroup.type"}
)

// maxCgroupProp bounds a property's value, in bytes, as criu's reader does.
const maxCgroupProp = 1023

// propsOf are the properties of a hierarchy, named as in /proc/PID/cgroup.
func propsOf(controllers string) []string {
	if controllers == "" {
		return cgroupPropsV2
	}
	var props []string
	for c := range strings.SplitSeq(controllers, ",") {
		props = append(props, cgroupProps[c]...)
	}
	return append(props, cgroupPropsV1...)
}

// readCgroupDirs reads, by hierarchy, the cgroups that processes are in and those
// below, for a restore to make anew. The root of a hierarchy is always there. It
// is called before the freeze, which shows in a cgroup's properties.
func readCgroupDirs(sets [][]fastcr.Cgroup, o *Options) (map[string][]fastcr.CgroupDir, error) {
	paths := map[string][]string{}
	for _, set := range sets {
		for _, c := range set {
			path := o.cgroupRoot(c.Controllers, c.Path)
			if path != "/" && !slices.Contains(paths[c.Controllers], path) {
				paths[c.Controllers] = append(paths[c.Controllers], path)
			}
		}
	}
	dirs := map[string][]fastcr.CgroupDir{}
	if len(paths) == 0 {
		return dirs, nil
	}
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, fmt.Errorf("read mountinfo: %w", err)
	}
	for controllers, list := range paths {
		// The cgroups above first: they bring those below with them.
		slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
		for i, path := range list {
			if slices.ContainsFunc(list[:i], func(above string) bool { return strings.HasPrefix(path, above+"/") }) {
				continue
			}
			at, ok := findCgroup(mounts, controllers, path)
			if o.CgroupYard != "" {
				yard := filepath.Join(o.inWorkDir(o.CgroupYard), yardName(controllers))
				if _, err := os.Stat(yard); err != nil {
					return nil, fmt.Errorf("--cgroup-yard: hierarchy %q is not there: %v", controllers, err) // no process has gone
				}
				at, ok = filepath.Join(yard, path), true
			}
			if !ok {
				continue // not mounted here: criu mounts it at the restore
			}
			d, err := readCgroupDir(at, strings.TrimPrefix(path, "/"), propsOf(controllers))
			if isGone(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			dirs[controllers] = append(dirs[controllers], *d)
		}
	}
	return dirs, nil
}

// cgroupRoot is where the cgroups that are kept of a hierarchy begin: at the process's own, or
// at what --cgroup-root names.
func (o *Options) cgroupRoot(controllers, path string) string {
	for _, arg := range o.CgroupRoots {
		if name, root := splitCgroupRoot(arg); name == "" || name == controllers {
			path = filepath.Clean(root)
			if name != "" {
				return path
			}
		}
	}
	return path
}

// splitCgroupRoot reads [CONTROLLER:]/PATH.
func splitCgroupRoot(arg string) (controllers, root string) {
	if i := strings.LastIndexByte(arg, ':'); i >= 0 {
		return arg[:i], arg[i+1:]
	}
	return "", arg
}

// yardName is the directory of a hierarchy in --cgroup-yard.
func yardName(controllers string) string {
	if controllers == "" {
		return "unified"
	}
	return strings.TrimPrefix(controllers, "name=")
}

// findCgroup is the directory that shows a cgroup of a hierarchy.
func findCgroup(mounts []*mountinfo.Info, controllers, path string) (string, bool) {
	for _, m := range mounts {
		if !isHierarchy(m, controllers) {
			continue
		}
		rest, ok := strings.CutPrefix(path, strings.TrimSuffix(m.Root, "/"))
		if ok && (rest == "" || rest[0] == '/') {
			return filepath.Join(m.Mountpoint, rest), true
		}
	}
	return "", false
}

// isHierarchy compares a mount's type and options with the controllers' names.
func isHierarchy(m *mountinfo.Info, controllers string) bool {
	if controllers == "" {
		return m.FSType == "cgroup2"
	}
	have := strings.Split(m.VFSOptions, ",")
	for c := range strings.SplitSeq(controllers, ",") {
		if !slices.Contains(have, c) {
			return false
		}
	}
	return m.FSType == "cgroup"
}

func readCgroupDir(at, name string, props []string) (*fastcr.CgroupDir, error) {
	var st unix.Stat_t
	if err := unix.Stat(at, &st); err != nil {
		return nil, fmt.Errorf("stat cgroup %s: %w", at, err)
	}
	d := &fastcr.CgroupDir{Name: name, Mode: st.Mode, UID: st.Uid, GID: st.Gid}
	for _, prop := range props {
		p, err := readCgroupProp(filepath.Join(at, prop), prop)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP) {
			continue // this kernel does not have it
		}
		if err != nil {
			return nil, fmt.Errorf("read cgroup property: %w", err)
		}
		d.Props = append(d.Props, *p)
	}
	entries, err := os.ReadDir(at)
	if err != nil {
		return nil, fmt.Errorf("read cgroup: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || freeze.IsTemporary(e.Name()) {
			continue
		}
		child, err := readCgroupDir(filepath.Join(at, e.Name()), e.Name(), props)
		if isGone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		d.Children = append(d.Children, *child)
	}
	return d, nil
}

func readCgroupProp(path, name string) (*fastcr.CgroupProp, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, fmt.Errorf("stat %s: %w", path, err)
	}
	p := &fastcr.CgroupProp{Name: name, Mode: st.Mode, UID: st.Uid, GID: st.Gid}
	if name == "cgroup.procs" || name == "tasks" {
		return p, nil // their owner and mode matter, not who is in them
	}
	buf := make([]byte, maxCgroupProp)
	n, err := unix.Read(int(f.Fd()), buf)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	p.Value = cgroupValue(name, strings.TrimSuffix(string(buf[:n]), "\n"))
	return p, nil
}

// cgroupValue turns what is read into what can be written.
func cgroupValue(name, text string) string {
	if name == "memory.oom_control" {
		for line := range strings.Lines(text) {
			if v, ok := strings.CutPrefix(line, "oom_kill_disable "); ok {
				return strings.TrimSpace(v)
			}
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n == math.MaxInt64 {
		return "-1"
	}
	return text
}
