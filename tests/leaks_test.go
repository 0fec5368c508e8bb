package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// watchLeaks notes what there is; the function that it returns fails the test if more is left.
func watchLeaks(t *testing.T) func() {
	t.Helper()
	cgroups, frozen := fastcrCgroups(), frozenCgroups()
	temp := fastcrTemp()
	return func() {
		t.Helper()
		// Other runs share the machine: only what stays is a leak.
		leak := func(what string, before []string, now func() []string) {
			t.Helper()
			var left []string
			first := true
			eventually(5*time.Second, func() bool {
				n := slices.DeleteFunc(now(), func(s string) bool {
					return slices.Contains(before, s) || (!first && !slices.Contains(left, s))
				})
				left, first = n, false
				return len(left) == 0
			})
			if len(left) > 0 {
				t.Errorf("%s left behind: %s", what, strings.Join(left, ", "))
			}
		}
		leak("cgroup", cgroups, fastcrCgroups)
		leak("frozen cgroup", frozen, frozenCgroups)
		leak("temporary directory", temp, fastcrTemp)
		if pids := tree(os.Getpid())[1:]; len(pids) > 0 {
			t.Errorf("processes left behind: %v", pids)
		}
	}
}

// reap collects the zombies that became our children. No Cmd runs when it is called.
func reap() {
	for _, pid := range tree(os.Getpid())[1:] {
		if !alive(pid) {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}

// guards tells whether a guardian of fastcr is below this process, which puts things back.
func guards() bool {
	return slices.ContainsFunc(tree(os.Getpid()), func(pid int) bool {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return string(comm) == "fastcr-guardian\n" && alive(pid)
	})
}

// killAll ends everything below this process: we are the subreaper, all of it was started here. The
// guardians of fastcrs that were killed finish first.
func killAll() {
	eventually(10*time.Second, func() bool { return !guards() })
	eventually(10*time.Second, func() bool {
		pids := tree(os.Getpid())[1:]
		for _, pid := range pids {
			if alive(pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		reap()
		return len(pids) == 0
	})
}

// cgroup2Mounts lists where the v2 hierarchy is mounted.
func cgroup2Mounts() []string {
	b, _ := os.ReadFile("/proc/self/mountinfo")
	var out []string
	for line := range strings.Lines(string(b)) {
		pre, post, _ := strings.Cut(line, " - ")
		if f := strings.Fields(pre); strings.HasPrefix(post, "cgroup2 ") && len(f) > 4 {
			out = append(out, f[4])
		}
	}
	return out
}

func walkCgroups(keep func(dir string) bool) []string {
	var out []string
	for _, m := range cgroup2Mounts() {
		_ = filepath.WalkDir(m, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() && !isOthers(path) && keep(path) {
				out = append(out, path)
			}
			return nil
		})
	}
	return out
}

// isOthers tells whether a fastcr that this run did not start holds its target in a cgroup:
// fastcr.PID.TARGET, and all that we start is below us.
func isOthers(dir string) bool {
	var pid, target int
	n, _ := fmt.Sscanf(filepath.Base(dir), "fastcr.%d.%d", &pid, &target)
	return n == 2 && alive(pid) && !slices.Contains(tree(os.Getpid()), pid)
}

func fastcrCgroups() []string {
	return walkCgroups(func(dir string) bool { return strings.HasPrefix(filepath.Base(dir), "fastcr.") })
}

func frozenCgroups() []string {
	return walkCgroups(func(dir string) bool {
		return keyedSpace(filepath.Join(dir, "cgroup.events"))["frozen"] == "1"
	})
}

// fastcrTemp lists temporary files with our name, but for those of tests and benchmarks.
func fastcrTemp() []string {
	var out []string
	for _, pattern := range []string{"/tmp/fastcr*", "/run/fastcr*", "/dev/shm/fastcr*"} {
		m, _ := filepath.Glob(pattern)
		for _, p := range m {
			if b := filepath.Base(p); !strings.HasPrefix(b, "fastcr-test") && !strings.HasPrefix(b, "fastcr-bench") {
				out = append(out, p)
			}
		}
	}
	return out
}

// keyedSpace reads "key value" lines.
func keyedSpace(path string) map[string]string {
	b, _ := os.ReadFile(path)
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			out[k] = v
		}
	}
	return out
}
