package freeze

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// start runs a shell command in a session of its own and returns its pid.
func start(t *testing.T, script string) int {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Kill(-cmd.Process.Pid, unix.SIGKILL); cmd.Wait() })
	time.Sleep(50 * time.Millisecond)
	return cmd.Process.Pid
}

// leftovers are the temporary cgroups on the machine.
func leftovers(t *testing.T) []string {
	t.Helper()
	m, err := findMount()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	filepath.WalkDir(m.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(filepath.Base(path), fmt.Sprintf("fastcr.%d.", os.Getpid())) {
			found = append(found, path)
		}
		return nil
	})
	return found
}

func prepare(t *testing.T, pid int) *Hold {
	t.Helper()
	h, err := Prepare(context.Background(), Options{Root: pid, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Release(); err != nil {
			t.Error(err)
		}
		if l := leftovers(t); len(l) > 0 {
			t.Errorf("left behind: %v", l)
		}
	})
	return h
}

// ticks is the CPU time of a process; a frozen one's does not grow.
func ticks(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFreezeHoldsTheTree(t *testing.T) {
	pid := start(t, "(while :; do :; done) & (while :; do :; done) & wait")
	before, _ := cgroupOf(pid)
	h := prepare(t, pid)
	if len(h.Pids()) != 3 {
		t.Fatalf("tree is %v", h.Pids())
	}
	if got := h.OriginalCgroup(pid); got != before {
		t.Fatalf("original cgroup %q, want %q", got, before)
	}
	if err := h.Freeze(); err != nil {
		t.Fatal(err)
	}
	members, err := h.Members()
	if err != nil || len(members) != 3 {
		t.Fatalf("members %v, %v", members, err)
	}
	busy := h.Pids()[1]
	was := ticks(t, busy)
	time.Sleep(20 * time.Millisecond)
	if now := ticks(t, busy); now != was {
		t.Fatalf("a frozen process ran: %s then %s", was, now)
	}
	if err := h.Thaw(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	if now := ticks(t, busy); now == was {
		t.Fatal("the process does not run after the thaw")
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	if after, _ := cgroupOf(pid); after != before {
		t.Fatalf("cgroup %q after the release, was %q", after, before)
	}
}

func TestFreezeAllocatesNothing(t *testing.T) {
	h := prepare(t, start(t, "sleep 60"))
	allocs := testing.AllocsPerRun(20, func() {
		if err := h.Freeze(); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Members(); err != nil {
			t.Fatal(err)
		}
		if err := h.Thaw(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Fatalf("%v allocations", allocs)
	}
}

func TestKillEndsAFrozenTree(t *testing.T) {
	pid := start(t, "sleep 60 & sleep 60")
	h := prepare(t, pid)
	if err := h.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := h.Kill(); err != nil {
		t.Fatal(err)
	}
	if m, err := h.Members(); err != nil || len(m) != 0 {
		t.Fatalf("still there: %v, %v", m, err)
	}
}

func TestStopSurvivesTheThaw(t *testing.T) {
	pid := start(t, "while :; do :; done")
	h := prepare(t, pid)
	if err := errors.Join(h.Freeze(), h.Stop(), h.Release()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if !strings.Contains(string(b), ") T ") {
		t.Fatalf("not stopped: %s", b)
	}
}

func TestTargetsThatCannotBe(t *testing.T) {
	for name, pid := range map[string]int{"kernel thread": 2, "itself": os.Getpid(), "ancestor": os.Getppid(), "no such": 1 << 22} {
		_, err := Prepare(context.Background(), Options{Root: pid, Timeout: time.Second})
		var te *TargetError
		if !errors.As(err, &te) || te.PID != pid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l := leftovers(t); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

// stuckSource reads into a page that a userfaultfd never fills: the kernel's own
// fault does not end, and the task cannot freeze.
const stuckSource = `
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	int fd = syscall(SYS_userfaultfd, 0), zero = open("/dev/zero", O_RDONLY);
	struct uffdio_api api = { .api = UFFD_API };
	char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register reg = { .range = { (unsigned long)page, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		return 1;
	return read(zero, page, 1) != 1;
}
`

func TestUninterruptibleTaskIsNamed(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(dir+"/v.c", []byte(stuckSource), 0o600)
	if out, err := exec.Command("cc", "-o", dir+"/v", dir+"/v.c").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pid := start(t, "exec "+dir+"/v")
	h, err := Prepare(context.Background(), Options{Root: pid, Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	var to *TimeoutError
	if err := h.Freeze(); !errors.As(err, &to) || len(to.Tasks) == 0 || to.Tasks[0].PID != pid {
		t.Fatalf("got %v", err)
	}
}

// TestGuardianThaws kills a holder without warning and looks at what it held.
func TestGuardianThaws(t *testing.T) {
	if pid := os.Getenv("FREEZE_TEST_HOLD"); pid != "" {
		var n int
		fmt.Sscan(pid, &n)
		h, err := Prepare(context.Background(), Options{Root: n, Timeout: time.Second})
		if err != nil || h.Freeze() != nil {
			os.Exit(3)
		}
		unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	pid := start(t, "while :; do :; done")
	before, _ := cgroupOf(pid)
	cmd := exec.Command(os.Args[0], "-test.run=TestGuardianThaws")
	cmd.Env = append(os.Environ(), fmt.Sprintf("FREEZE_TEST_HOLD=%d", pid))
	if err := cmd.Run(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the holder: %v", err)
	}
	for range 200 {
		if now, _ := cgroupOf(pid); now == before {
			was := ticks(t, pid)
			time.Sleep(20 * time.Millisecond)
			if ticks(t, pid) == was {
				t.Fatal("still frozen")
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	now, _ := cgroupOf(pid)
	t.Fatalf("in cgroup %s, was in %s", now, before)
}

func FuzzMountinfo(f *testing.F) {
	f.Add([]byte("33 24 0:28 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := parseMountinfo(b); ok {
			m.path("/a/b")
		}
	})
}

func TestMountinfoPicksTheWidestMount(t *testing.T) {
	m, ok := parseMountinfo([]byte("1 2 0:28 /a/b /mnt\\040x rw - cgroup2 none rw\n1 2 0:28 /a /mnt\\040y rw shared:1 - cgroup2 none rw\n1 2 0:3 / /proc rw - proc none rw\n"))
	if !ok || m.dir != "/mnt y" || m.root != "/a" {
		t.Fatalf("%+v %v", m, ok)
	}
	if p, err := m.path("/a/c"); err != nil || p != "/mnt y/c" {
		t.Fatalf("%s %v", p, err)
	}
	if _, err := m.path("/ab"); err == nil {
		t.Fatal("a path outside of the mount was accepted")
	}
}

func BenchmarkFreeze(b *testing.B) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	h, err := Prepare(context.Background(), Options{Root: cmd.Process.Pid, Timeout: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Release()
	for b.Loop() {
		if err := h.Freeze(); err != nil {
			b.Fatal(err)
		}
		if err := h.Thaw(); err != nil {
			b.Fatal(err)
		}
	}
}
