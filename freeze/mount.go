package freeze

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// mount is a place where (a part of) the cgroup v2 hierarchy can be seen: the
// directory dir shows the cgroup root. Names are relative to fastcr's cgroup
// namespace, as everywhere in /proc.
type mount struct {
	dir      string
	root     string
	readOnly bool
}

// mounts are the usable ones, the best first.
type mounts []mount

// findMounts reads /proc/self/mountinfo. A mount that another one hides is no
// cgroup2 file system any more when its directory is asked.
func findMounts() (mounts, error) {
	infos, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup2"))
	if err != nil {
		return nil, fmt.Errorf("read mountinfo: %w", err)
	}
	ms := slices.DeleteFunc(sortMounts(infos), func(m mount) bool {
		var st unix.Statfs_t
		return unix.Statfs(m.dir, &st) != nil || st.Type != unix.CGROUP2_SUPER_MAGIC
	})
	switch {
	case len(ms) == 0:
		return nil, &NoCgroup2Error{Reason: "no hierarchy is mounted"}
	case ms[0].readOnly:
		return nil, &NoCgroup2Error{Reason: "the hierarchy at " + ms[0].dir + " is mounted read-only"}
	}
	return ms, nil
}

// sortMounts lists writable mounts first, then those that show most of the hierarchy.
func sortMounts(infos []*mountinfo.Info) (ms mounts) {
	for _, i := range infos {
		ms = append(ms, mount{root: i.Root, dir: i.Mountpoint, readOnly: hasOption(i.Options, "ro") || hasOption(i.VFSOptions, "ro")})
	}
	slices.SortStableFunc(ms, func(a, b mount) int {
		if a.readOnly != b.readOnly {
			if b.readOnly {
				return -1
			}
			return 1
		}
		return depth(a.root) - depth(b.root)
	})
	return ms
}

// depth counts how far below the namespace's root a mount's root lies: "/.." lies above it.
func depth(root string) (n int) {
	for part := range strings.SplitSeq(root, "/") {
		switch part {
		case "":
		case "..":
			n--
		default:
			n++
		}
	}
	return n
}

func hasOption(options, name string) bool {
	return slices.Contains(strings.Split(options, ","), name)
}

// path is the directory that shows a cgroup named as /proc/PID/cgroup names it.
func (ms mounts) path(cgroup string) (string, error) {
	for _, m := range ms {
		if m.readOnly {
			continue
		}
		if dir, ok := m.path(cgroup); ok {
			return dir, nil
		}
	}
	return "", &NoCgroup2Error{Reason: "no mount shows cgroup " + cgroup}
}

func (m mount) path(cgroup string) (string, bool) {
	rel := cgroup
	if m.root != "/" {
		var ok bool
		if rel, ok = strings.CutPrefix(cgroup, m.root); !ok || rel != "" && rel[0] != '/' {
			return "", false
		}
	}
	// What is left of ".." names a cgroup above the mount; what was cut of them
	// hides how the namespace's own root is called.
	if !strings.HasPrefix(cgroup, "/") || rel == "/.." || strings.HasPrefix(rel, "/../") {
		return "", false
	}
	return path.Join(m.dir, rel), true
}

// cgroupOf is the v2 cgroup of a process, from /proc/PID/cgroup. That of a zombie
// may have been removed.
func cgroupOf(pid int) (string, error) {
	b, err := readProc(pid, "cgroup", nil)
	if err != nil {
		return "", err
	}
	name, ok := parseCgroup(b)
	if !ok {
		return "", &NoCgroup2Error{Reason: fmt.Sprintf("pid %d is in no v2 cgroup", pid)}
	}
	return name, nil
}

// trimDeleted undoes what the kernel appends to the name of a removed cgroup.
func trimDeleted(cgroup string) string { return strings.TrimSuffix(cgroup, " (deleted)") }

// parseCgroup finds the v2 line in /proc/PID/cgroup. A cgroup's name cannot hold
// a newline.
func parseCgroup(text []byte) (string, bool) {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("0::/")); ok {
			return "/" + string(bytes.TrimSuffix(rest, []byte("\n"))), true
		}
	}
	return "", false
}
