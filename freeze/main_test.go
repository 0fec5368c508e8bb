package freeze

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if verb := os.Getenv("FREEZE_TEST_HOLDER"); verb != "" {
		hold(verb)
	}
	code := m.Run()
	os.RemoveAll(compiled)
	os.Exit(code)
}

// needRoot skips a test that cannot run here, but never in CI.
func needRoot(t testing.TB) {
	t.Helper()
	err := Available()
	if os.Geteuid() != 0 {
		err = errors.New("root is needed")
	}
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	} else if err != nil {
		t.Skip(err)
	}
}

// compiled is the directory of the compiled target.c, once there is one.
var compiled string

var compile = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "freezetest")
	if err != nil {
		return "", err
	}
	compiled = dir
	out, err := exec.Command("cc", "-O1", "-Wall", "-pthread", "-o", dir+"/target", "testdata/target.c").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cc testdata/target.c: %w: %s", err, out)
	}
	return dir + "/target", nil
})

// target is a running tree of testdata/target.c.
type target struct {
	pid int
	out *bufio.Reader
}

// start runs target.c and returns when it is ready. At the test's end it is
// killed, and nothing may be left.
func start(t testing.TB, args ...string) *target {
	t.Helper()
	needRoot(t)
	path, err := compile()
	if err != nil {
		t.Fatal(err)
	}
	checkLeft := watchLeaks(t)
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		cmd.Wait()
		checkLeft()
	})
	p := &target{pid: cmd.Process.Pid, out: bufio.NewReader(out)}
	if line := p.line(t); line != "ready" {
		t.Fatalf("%v says %q", args, line)
	}
	return p
}

func (p *target) line(t testing.TB) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// watchLeaks returns a function that fails the test if it left descriptors, cgroups or guardians.
func watchLeaks(t testing.TB) func() {
	fds := openFDs()
	return func() {
		t.Helper()
		eventually(t, fmt.Sprintf("%d descriptors are open again", fds), func() bool { return openFDs() <= fds })
		if l := temporaries(t); len(l) > 0 {
			t.Errorf("cgroups left behind: %v", l)
		}
		eventually(t, "no guardian is left", func() bool { return len(guardiansOf(t, os.Getpid())) == 0 })
	}
}

// guardiansOf lists the guardians of a holder, by the argv[0] that no other program has.
func guardiansOf(t testing.TB, holder int) (guardians []int) {
	t.Helper()
	children, err := childrenOf(holder)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range children {
		if b, err := readProc(pid, "cmdline", nil); err == nil && string(b) == guardianName+"\x00" {
			guardians = append(guardians, pid)
		}
	}
	return guardians
}

func openFDs() int {
	fds, _ := os.ReadDir("/proc/self/fd")
	return len(fds)
}

// temporaries are the cgroups that this process and its children made.
func temporaries(t testing.TB) (found []string) {
	t.Helper()
	for _, dir := range cgroupsEverywhere(t) {
		if strings.HasPrefix(filepath.Base(dir), fmt.Sprintf("fastcr.%d.", os.Getpid())) {
			found = append(found, dir)
		}
	}
	return found
}

func cgroupsEverywhere(t testing.TB) []string {
	t.Helper()
	dirs, err := cgroupsBelow(topCgroup(t))
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func topCgroup(t testing.TB) string {
	t.Helper()
	ms, err := findMounts()
	if err != nil {
		t.Fatal(err)
	}
	return ms[0].dir
}

// newCgroup makes a cgroup at the hierarchy's top; at the test's end it is
// removed, and its processes are moved to the top.
func newCgroup(t testing.TB, name string) (dir string) {
	t.Helper()
	needRoot(t)
	top := topCgroup(t)
	dir = fmt.Sprintf("%s/freezetest.%d.%s", top, os.Getpid(), name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dissolve(dir, top, 5*time.Second); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func enter(t testing.TB, dir string, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := os.WriteFile(dir+"/cgroup.procs", fmt.Appendf(nil, "%d", pid), 0); err != nil {
			t.Fatal(err)
		}
	}
}

func prepare(t testing.TB, pid int) *Hold {
	t.Helper()
	h, err := Prepare(context.Background(), Options{Root: pid, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Release(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// eventually waits for what must become true, however slow the machine is.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func cgroupNamed(t testing.TB, pid int) string {
	t.Helper()
	name, err := cgroupOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// isFrozen reads cgroup.events of the cgroup that pid is in.
func isFrozen(t testing.TB, pid int) bool {
	t.Helper()
	ms, err := findMounts()
	must(t, err)
	dir, err := ms.path(cgroupNamed(t, pid))
	must(t, err)
	b, err := os.ReadFile(dir + "/cgroup.events")
	if errors.Is(err, os.ErrNotExist) {
		return false // the root, or just removed
	}
	must(t, err)
	return strings.Contains(string(b), "frozen 1")
}

// cpuTime is how long a process ran: that of a frozen one does not grow.
func cpuTime(t testing.TB, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	if err != nil {
		t.Fatal(err)
	}
	used, _, _ := strings.Cut(string(b), " ")
	return used
}

func listed(t testing.TB, pid int) (pids []int) {
	t.Helper()
	tree, err := listTree(pid)
	must(t, err)
	for _, p := range tree {
		pids = append(pids, p.pid)
	}
	return pids
}
