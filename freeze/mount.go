package freeze

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"strings"
)

// mount is where the cgroup v2 hierarchy can be seen: dir shows the cgroup root.
type mount struct {
	dir  string
	root string
}

// findMount finds the cgroup2 mount that shows most of the hierarchy.
func findMount() (mount, error) {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return mount{}, err
	}
	m, ok := parseMountinfo(info)
	if !ok {
		return mount{}, &NoCgroup2Error{Reason: "no hierarchy is mounted"}
	}
	return m, nil
}

// parseMountinfo picks, of the cgroup2 mounts in /proc/PID/mountinfo, the one with
// the shortest root: a bind mount shows only a part.
func parseMountinfo(info []byte) (best mount, ok bool) {
	for line := range bytes.Lines(info) {
		pre, post, found := strings.Cut(string(line), " - ")
		fields := strings.Fields(pre)
		fs := strings.Fields(post)
		if !found || len(fields) < 6 || len(fs) < 1 || fs[0] != "cgroup2" {
			continue
		}
		m := mount{root: unescape(fields[3]), dir: unescape(fields[4])}
		if !ok || len(m.root) < len(best.root) {
			best, ok = m, true
		}
	}
	return best, ok
}

// unescape undoes the kernel's octal escapes for blanks and backslashes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// path is the directory of a cgroup named as /proc/PID/cgroup names it.
func (m mount) path(cgroup string) (string, error) {
	rel := cgroup
	if m.root != "/" {
		var ok bool
		if rel, ok = strings.CutPrefix(cgroup, m.root); !ok || (rel != "" && rel[0] != '/') {
			return "", &NoCgroup2Error{Reason: fmt.Sprintf("cgroup %s lies outside of the mount %s", cgroup, m.dir)}
		}
	}
	if strings.HasPrefix(rel, "/..") {
		return "", &NoCgroup2Error{Reason: fmt.Sprintf("cgroup %s lies outside of fastcr's cgroup namespace", cgroup)}
	}
	return path.Join(m.dir, rel), nil
}

// cgroupOf is the v2 cgroup of a process, from /proc/PID/cgroup.
func cgroupOf(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(strings.TrimSuffix(rest, "\n"), " (deleted)"), nil
		}
	}
	return "", &NoCgroup2Error{Reason: fmt.Sprintf("pid %d is in no v2 cgroup", pid)}
}
