package tests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// makeCgroup makes a cgroup below dir and puts pid into it; it is gone at the test's end.
func makeCgroup(t *testing.T, dir string, pid int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		killAll()
		eventually(5*time.Second, func() bool { return removeCgroup(dir) })
	})
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, pid), 0o644); err != nil {
		t.Fatal(err)
	}
}

func removeCgroup(dir string) bool {
	os.Remove(filepath.Join(dir, "inner"))
	err := os.Remove(dir)
	return err == nil || errors.Is(err, os.ErrNotExist)
}

// TestCgroups restores a program into its cgroups after they were removed, with
// what they were set to.
func TestCgroups(t *testing.T) {
	unified := cgroup2Mounts()
	if len(unified) == 0 {
		t.Skip("no cgroup v2 here")
	}
	// Strict wants none to exist, and fastcr itself is in some of them here.
	for _, mode := range []string{"soft", "full", "props", "none", "ignore"} {
		flags := []string{"--manage-cgroups=" + mode}
		removed := mode == "soft" || mode == "full"
		t.Run(mode, func(t *testing.T) {
			c := Case{Source: "process", Args: []string{"limits"}, DumpFlags: flags, RestoreFlags: flags}
			if mode == "ignore" {
				c.Ignore = []string{"cgroup"}
			}
			r := newRun(t, c)
			r.start()
			name := fmt.Sprintf("fastcr-test-%d", r.pid)
			v2 := filepath.Join(unified[0], name)
			dirs := []string{v2}
			makeCgroup(t, v2, r.pid)
			inner := filepath.Join(v2, "inner")
			for file, value := range map[string]string{v2 + "/cgroup.max.descendants": "7", v2 + "/cgroup.max.depth": "3", inner: "", inner + "/cgroup.max.depth": "2"} {
				if value == "" {
					continue
				}
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chown(v2+"/cgroup.max.depth", 7, 8); err != nil {
				t.Fatal(err)
			}
			v1 := filepath.Join("/sys/fs/cgroup/pids", name)
			if exists("/sys/fs/cgroup/pids/cgroup.procs") {
				makeCgroup(t, v1, r.pid)
				dirs = append(dirs, v1)
				if err := os.WriteFile(v1+"/pids.max", []byte("77"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			before, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", r.pid))
			r.dumpAndKill()
			for _, dir := range dirs {
				if removed && !eventually(5*time.Second, func() bool { return removeCgroup(dir) }) {
					t.Fatalf("cannot remove %s", dir)
				}
			}
			r.restore()
			after, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", r.pid))
			if string(after) != string(before) && mode != "ignore" {
				t.Errorf("cgroups are %s, were %s", after, before)
			}
			if !removed {
				r.verdict("restored")
				return
			}
			want := map[string]string{v2 + "/cgroup.max.descendants": "7", v2 + "/cgroup.max.depth": "3", inner + "/cgroup.max.depth": "2"}
			if len(dirs) > 1 {
				want[v1+"/pids.max"] = "77"
			}
			for file, value := range want {
				if b, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(b)) != value {
					t.Errorf("%s is %s, %v, was %s", file, b, err, value)
				}
			}
			var st unix.Stat_t
			if err := unix.Stat(v2+"/cgroup.max.depth", &st); err != nil || st.Uid != 7 || st.Gid != 8 {
				t.Errorf("cgroup.max.depth belongs to %d and %d: %v", st.Uid, st.Gid, err)
			}
			r.verdict("restored")
		})
	}
}

// pidsHierarchy is where version 1's pids controller is mounted as a rule.
const pidsHierarchy = "/sys/fs/cgroup/pids"

// TestThreadCgroups has a thread in a cgroup of its own, which version 1 allows.
func TestThreadCgroups(t *testing.T) {
	if !exists(pidsHierarchy + "/cgroup.procs") {
		t.Skip("no pids controller of cgroup v1 here")
	}
	flag := "--manage-cgroups"
	r := newRun(t, Case{Source: "threads", Args: []string{"3"}, DumpFlags: []string{flag}, RestoreFlags: []string{flag}})
	r.start()
	dir := filepath.Join(pidsHierarchy, fmt.Sprintf("fastcr-test-%d", r.pid))
	makeCgroup(t, dir, r.pid)
	own := dir + "/inner"
	if err := os.Mkdir(own, 0o755); err != nil {
		t.Fatal(err)
	}
	tids, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", r.pid))
	if err != nil {
		t.Fatal(err)
	}
	moved := tids[len(tids)-1].Name()
	if err := os.WriteFile(own+"/tasks", []byte(moved), 0o644); err != nil {
		t.Fatal(err)
	}
	r.dumpAndKill()
	if !eventually(5*time.Second, func() bool { return removeCgroup(dir) }) {
		t.Fatalf("cannot remove %s", dir)
	}
	r.restore()
	for _, tid := range tids {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/cgroup", r.pid, tid.Name()))
		if inner := strings.Contains(string(b), "/inner\n"); inner != (tid.Name() == moved) {
			t.Errorf("thread %s, the one that was moved is %s: %s", tid.Name(), moved, b)
		}
	}
	r.verdict("restored")
}

// TestCgroupRoot keeps cgroups from one above the program's on, with an empty one beside it.
func TestCgroupRoot(t *testing.T) {
	if !exists(pidsHierarchy + "/cgroup.procs") {
		t.Skip("no pids controller of cgroup v1 here")
	}
	yard := t.TempDir()
	mounted, err := os.ReadDir("/sys/fs/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mounted {
		if err := os.Symlink("/sys/fs/cgroup/"+m.Name(), filepath.Join(yard, m.Name())); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.Symlink(cgroup2Mounts()[0], yard+"/unified")
	for _, more := range [][]string{nil, {"--cgroup-yard", yard}} {
		r := newRun(t, Case{Source: "process", Args: []string{"limits"}, RestoreFlags: []string{"--manage-cgroups"}})
		r.start()
		top := filepath.Join(pidsHierarchy, fmt.Sprintf("fastcr-test-%d", r.pid))
		t.Cleanup(func() {
			killAll()
			eventually(5*time.Second, func() bool { return removeCgroup(top+"/of") && removeCgroup(top) })
		})
		makeCgroup(t, top+"/of/inner", r.pid)
		if err := os.Mkdir(top+"/inner", 0o755); err != nil {
			t.Fatal(err)
		}
		r.c.DumpFlags = append([]string{"--manage-cgroups", "--cgroup-root", "pids:/" + filepath.Base(top)}, more...)
		r.dumpAndKill()
		if !eventually(5*time.Second, func() bool { return removeCgroup(top+"/of") && removeCgroup(top) }) {
			t.Fatalf("cannot remove %s", top)
		}
		r.restore()
		if !exists(top+"/inner") || !exists(top+"/of/inner") {
			t.Errorf("%v: the cgroups below %s are not made again", more, top)
		}
		r.verdict("restored")
	}
}
