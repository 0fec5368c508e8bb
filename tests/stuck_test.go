package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// hungMount mounts a file system that nobody serves: who looks a name up in it is in
// uninterruptible sleep until it is killed or the test ends.
func hungMount(t *testing.T) string {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no file system to hang in: /dev/fuse: %v", err)
	}
	dir := t.TempDir()
	if err := unix.Mount("hung", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)); err != nil {
		unix.Close(fd)
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(fd) // whoever waits gets an error
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// stuckChild is a case whose program has a child that is stuck in a file system.
func stuckChild(t *testing.T, c Case) *Run {
	t.Helper()
	program := strings.Join(c.Command, " ")
	if c.Source != "" {
		program = buildTarget(t, c.Source)
	}
	r := newRun(t, Case{Command: []string{"sh", "-c", "cat $0/name & exec " + program + " $1", hungMount(t)}, Args: c.Args})
	r.start()
	return r
}

// childOf is the child with this name, once it waits.
func childOf(t *testing.T, pid int, name string) (child int) {
	t.Helper()
	if !eventually(5e9, func() bool {
		for _, p := range tree(pid)[1:] {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p))
			wchan, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", p))
			if strings.TrimSpace(string(comm)) == name && strings.Contains(string(wchan), "fuse") {
				child = p
			}
		}
		return child != 0
	}) {
		t.Fatalf("no child %s of %d waits", name, pid)
	}
	return child
}

// TestTaskThatDoesNotFreeze: one task of the tree is in uninterruptible sleep.
func TestTaskThatDoesNotFreeze(t *testing.T) {
	needFastcr(t)
	r := stuckChild(t, Case{Source: "counter"})
	child := childOf(t, r.pid, "cat")
	r.before = r.look()
	img := t.TempDir()
	refused(t, img, []string{"dump", "--pid", strconv.Itoa(r.pid), "-D", img, "--timeout", "1"},
		"within 1s", "pid "+strconv.Itoa(child), "(cat)", "state D", "waiting in fuse_", "--timeout")
	if r.ended() {
		t.Error("the target has ended")
	}
	r.verdict("live")
	if left, _ := filepath.Glob(filepath.Join(img, "*")); len(left) > 0 {
		t.Error(left)
	}
}
