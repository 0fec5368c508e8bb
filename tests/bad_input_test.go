package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// needFastcr: what criu says to bad input is not tested here.
func needFastcr(t *testing.T) {
	t.Helper()
	if tools.dumper == "criu" {
		t.Skip("these are fastcr's own errors")
	}
}

// refused runs fastcr, which must fail, say every one of words on stderr, and write no image.
func refused(t *testing.T, img string, args []string, words ...string) {
	t.Helper()
	cmd := exec.Command(tools.fastcr, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		t.Fatalf("fastcr %s succeeded: %s", strings.Join(args, " "), out)
	}
	for _, w := range words {
		if !strings.Contains(stderr.String(), w) {
			t.Errorf("fastcr %s says %q, without %q", strings.Join(args, " "), stderr.String(), w)
		}
	}
	if len(out) > 0 {
		t.Errorf("fastcr %s prints on standard output: %s", strings.Join(args, " "), out)
	}
	if left, _ := filepath.Glob(filepath.Join(img, "*")); len(left) > 0 {
		t.Errorf("left in the images directory: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(img, ".fastcr-*")); len(left) > 0 {
		t.Errorf("left in the images directory: %v", left)
	}
}

// sleeper starts a program that must be untouched at the end: in its cgroup and running.
func sleeper(t *testing.T, argv ...string) int {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	time.Sleep(50 * time.Millisecond)
	cgroup, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	leaks := watchLeaks(t)
	t.Cleanup(func() {
		now, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
		if err != nil || string(now) != string(cgroup) {
			t.Errorf("the target's cgroup was %q, is %q, %v", cgroup, now, err)
		}
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err != nil || !strings.Contains(string(stat), ") S ") && !strings.Contains(string(stat), ") R ") {
			t.Errorf("the target is not as it was: %s, %v", stat, err)
		}
		syscall.Kill(-pid, syscall.SIGKILL)
		cmd.Wait()
		killAll()
		leaks()
	})
	return pid
}

func TestTargetsThatCannotBe(t *testing.T) {
	needFastcr(t)
	threads, _ := os.ReadDir("/proc/self/task")
	self := strconv.Itoa(os.Getpid())
	thread := ""
	for _, e := range threads {
		if e.Name() != self {
			thread = e.Name()
		}
	}
	for name, c := range map[string]struct {
		pid   string
		words []string
	}{
		"no such pid":    {"4194303", []string{"4194303", "no such process"}},
		"kernel thread":  {"2", []string{"2", "kernel thread"}},
		"its ancestor":   {self, []string{self, "ancestor"}},
		"a thread":       {thread, []string{thread, "thread"}},
		"not a number":   {"abc", []string{"abc"}},
		"a negative pid": {"-5", []string{"-5"}},
	} {
		t.Run(name, func(t *testing.T) {
			img := t.TempDir()
			refused(t, img, []string{"dump", "--pid", c.pid, "-D", img}, c.words...)
		})
	}
}

func TestShellJobWithoutJ(t *testing.T) {
	needFastcr(t)
	shell := sleeper(t, "sh", "-c", "sleep 100; true")
	out, err := exec.Command("pgrep", "-P", strconv.Itoa(shell)).Output()
	if err != nil {
		t.Fatal(err)
	}
	img := t.TempDir()
	refused(t, img, []string{"dump", "--pid", strings.TrimSpace(string(out)), "-D", img}, "-j", "session", strconv.Itoa(shell))
}

func TestImagesDirectories(t *testing.T) {
	needFastcr(t)
	pid := strconv.Itoa(sleeper(t, "sleep", "100"))
	top := t.TempDir()
	file, full := filepath.Join(top, "file"), filepath.Join(top, "full")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(full, 0o700); err != nil {
		t.Fatal(err)
	}
	refused(t, top+"/none", []string{"dump", "--pid", pid, "-D", top + "/none"}, top+"/none", "does not exist")
	refused(t, file, []string{"dump", "--pid", pid, "-D", file}, file, "not a directory")
	if err := os.WriteFile(filepath.Join(full, "core-1.img"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tools.fastcr, "dump", "--pid", pid, "-D", full)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "not empty") {
		t.Errorf("a directory with images: %v, %s", err, out)
	}
	readonly := filepath.Join(top, "readonly")
	if err := os.Mkdir(readonly, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", readonly, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(readonly, 0)
	refused(t, readonly, []string{"dump", "--pid", pid, "-D", readonly}, readonly, "not writable")
}

// TestFullDisk dumps 100 MiB into a file system of 10.
func TestFullDisk(t *testing.T) {
	needFastcr(t)
	r := newRun(t, Case{Command: []string{"python3", target(t, "kinds.py")}, Args: []string{"memory"}})
	r.start()
	pid := strconv.Itoa(r.pid)
	img := t.TempDir()
	if err := unix.Mount("tmpfs", img, "tmpfs", 0, "size=10m"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(img, 0)
	refused(t, img, []string{"dump", "--pid", pid, "-D", img}, img, "MiB")
	if r.ended() {
		t.Error("the target has ended")
	}
}

func TestDescriptorsThatCannotBe(t *testing.T) {
	needFastcr(t)
	for kind, word := range map[string]string{
		"xdp": "socket", "userfaultfd": "userfaultfd", "io_uring": "io_uring", "perf": "perf", "bpf": "BPF",
	} {
		t.Run(kind, func(t *testing.T) {
			r := newRun(t, Case{Command: []string{"python3", target(t, "kinds.py")}, Args: []string{kind}})
			r.start()
			img := t.TempDir()
			refused(t, img, []string{"dump", "--pid", strconv.Itoa(r.pid), "-D", img}, "pid "+strconv.Itoa(r.pid), "fd ", word)
			if r.ended() {
				t.Error("the target has ended")
			}
		})
	}
}

func TestNoCapabilities(t *testing.T) {
	needFastcr(t)
	pid := strconv.Itoa(sleeper(t, "sleep", "100"))
	img := t.TempDir()
	cmd := exec.Command("setpriv", "--bounding-set=-bpf,-sys_ptrace", tools.fastcr, "dump", "--pid", pid, "-D", img)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "CAP_BPF") || !strings.Contains(string(out), "CAP_SYS_PTRACE") {
		t.Errorf("without capabilities: %v, %s", err, out)
	}
}

// TestDamagedImages damages images one at a time and hands them to fastcr restore.
func TestDamagedImages(t *testing.T) {
	needFastcr(t)
	pid := sleeper(t, "sleep", "100")
	for name, damage := range map[string]func(path string) error{
		"truncated": func(p string) error { return os.Truncate(p, 9) },
		"missing":   os.Remove,
		"foreign":   func(p string) error { return os.WriteFile(p, []byte("#!/bin/sh\necho no image\n"), 0o600) },
	} {
		for _, image := range []string{"inventory.img", "pstree.img", "core-" + strconv.Itoa(pid) + ".img", "files.img", "pages-1.img"} {
			t.Run(name+" "+image, func(t *testing.T) {
				img := t.TempDir()
				if out, err := exec.Command(tools.fastcr, "dump", "--pid", strconv.Itoa(pid), "-D", img, "-R").CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				if err := damage(filepath.Join(img, image)); err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(tools.fastcr, "restore", "-D", img, "-d")
				cmd.Env = append(os.Environ(), "FASTCR_CRIU="+tools.criu)
				cmd.WaitDelay = 10 * time.Second // what is restored by mistake holds the pipe
				out, err := cmd.CombinedOutput()
				if err == nil || !strings.HasPrefix(string(out), "fastcr restore: ") || !strings.Contains(string(out), strings.TrimSuffix(image, "-"+strconv.Itoa(pid)+".img")) {
					t.Errorf("%v, says %s", err, out)
				}
			})
		}
	}
}

func TestRestoreWithoutCriu(t *testing.T) {
	needFastcr(t)
	pid := sleeper(t, "sleep", "100")
	img := t.TempDir()
	if out, err := exec.Command(tools.fastcr, "dump", "--pid", strconv.Itoa(pid), "-D", img, "-R").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	old := filepath.Join(t.TempDir(), "criu")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho Version: 3.17.1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for criu, word := range map[string]string{old: "3.17", "/nonexistent": "/nonexistent"} {
		cmd := exec.Command(tools.fastcr, "restore", "-D", img)
		cmd.Env = append(os.Environ(), "FASTCR_CRIU="+criu)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), word) || !strings.Contains(string(out), "4.1") {
			t.Errorf("criu %s: %v, says %s", criu, err, out)
		}
	}
}
