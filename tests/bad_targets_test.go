package tests

import (
	"fmt"
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

// TestNotTheRootOfWhatItShares dumps a child that shares something with its parent.
func TestNotTheRootOfWhatItShares(t *testing.T) {
	needFastcr(t)
	for what, word := range map[string]string{"vm": "CLONE_VM", "files": "CLONE_FILES", "fs": "CLONE_FS"} {
		t.Run(what, func(t *testing.T) {
			r := newRun(t, Case{Source: "shares", Args: []string{what}})
			r.start()
			r.before = r.look()
			for _, who := range []string{"child", "grandchild"} {
				pid, err := os.ReadFile(filepath.Join(r.dir, who))
				if err != nil {
					t.Fatal(err)
				}
				img := t.TempDir()
				refused(t, img, []string{"dump", "--pid", string(pid), "-D", img, "-j"}, "pid "+string(pid), "shares its", "outside of the tree", word)
			}
			isAsBefore(t, r, "refused")
		})
	}
	t.Run("nothing", func(t *testing.T) {
		r := newRun(t, Case{Source: "shares"})
		r.start()
		pid, err := os.ReadFile(filepath.Join(r.dir, "child"))
		if err != nil {
			t.Fatal(err)
		}
		if out, errs, code := fastcr(t, "", "dump", "--pid", string(pid), "-D", t.TempDir(), "-j", "-R"); code != 0 {
			t.Errorf("exit code %d: %s%s", code, out, errs)
		}
	})
}

// Test32BitProgram needs a kernel that runs some; without libraries a compiler is enough to make one.
func Test32BitProgram(t *testing.T) {
	needFastcr(t)
	path := filepath.Join(t.TempDir(), "program")
	cc := exec.Command("cc", "-m32", "-nostdlib", "-static", "-no-pie", "-o", path, "-x", "assembler", "-")
	cc.Stdin = strings.NewReader(".globl _start\n_start:\n\tmovl $29, %eax\n\tint $0x80\n\tjmp _start\n") // pause()
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	probe := exec.Command(path)
	if err := probe.Start(); err != nil {
		t.Skipf("this kernel runs no 32-bit programs: %v", err)
	}
	_ = probe.Process.Kill()
	_ = probe.Wait()
	img := t.TempDir()
	pid := strconv.Itoa(sleeper(t, path))
	refused(t, img, []string{"dump", "--pid", pid, "-D", img}, "pid "+pid, "32-bit")
}

// TestTargetThatExits: it may be gone at any moment of a dump.
func TestTargetThatExits(t *testing.T) {
	needFastcr(t)
	leaks := watchLeaks(t)
	for ms := 1; ms < 80; ms += 3 {
		cmd := exec.Command("sleep", fmt.Sprintf("%.3f", float64(ms)/1000))
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		img := t.TempDir()
		out, errs, code := fastcr(t, "", "dump", "--pid", strconv.Itoa(cmd.Process.Pid), "-D", img, "-R")
		_ = cmd.Wait()
		switch {
		case code == 0 && !exists(filepath.Join(img, "inventory.img")):
			t.Errorf("after %d ms: success without images: %s", ms, out)
		case code == 0:
		case !strings.Contains(errs, "exited") && !strings.Contains(errs, "no such process") && !strings.Contains(errs, "zombie"):
			t.Errorf("after %d ms: %s", ms, errs)
		}
		if code != 0 && len(names(img)) > 0 {
			t.Errorf("after %d ms: left %v", ms, names(img))
		}
	}
	leaks()
}

// TestTreesThatForkWithoutEnd: caught with what there is, or refused by name.
func TestTreesThatForkWithoutEnd(t *testing.T) {
	needFastcr(t)
	for name, script := range map[string]string{
		"short-lived children": "while :; do (exit 0) & wait; done",
		"in a chain":           "f() { (sleep 0.01; f) & }; f; while :; do sleep 0.005; (f; sleep 0.01); done",
		"many at a time":       "while :; do for i in 1 2 3 4 5 6 7 8; do sleep 0.002 & done; wait; done",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t, Case{Command: []string{"sh", "-c", ">ready; " + script}})
			r.start()
			for range 3 {
				img := t.TempDir()
				out, errs, code := fastcr(t, "", "dump", "--pid", strconv.Itoa(r.pid), "-D", img, "-R")
				t.Logf("exit code %d: %s%s", code, out, errs)
				complete := exists(filepath.Join(img, "inventory.img"))
				if complete != (code == 0) || code != 0 && (len(names(img)) > 0 || !strings.Contains(errs, "pid ")) {
					t.Errorf("exit code %d, complete: %v, left %v: %s%s", code, complete, names(img), out, errs)
				}
				if r.ended() {
					t.Fatal("the target has ended")
				}
			}
		})
	}
}

// TestDirectoriesThatAreLinks: followed, as criu does; one that leads nowhere is none.
func TestDirectoriesThatAreLinks(t *testing.T) {
	needFastcr(t)
	pid := strconv.Itoa(sleeper(t, "sleep", "100"))
	top := t.TempDir()
	real, link, dangling := filepath.Join(top, "real"), filepath.Join(top, "link"), filepath.Join(top, "dangling")
	if err := os.Mkdir(real, 0o700); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{link: "real", dangling: "nowhere"} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, dangling, []string{"dump", "--pid", pid, "-D", dangling}, dangling, "does not exist")
	if out, errs, code := fastcr(t, "", "dump", "--pid", pid, "-D", link, "-R"); code != 0 || !exists(filepath.Join(real, "inventory.img")) {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

func TestNotRoot(t *testing.T) {
	needFastcr(t)
	pid := strconv.Itoa(sleeper(t, "sleep", "100"))
	cmd := exec.Command("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", tools.fastcr, "dump", "--pid", pid, "-D", os.TempDir())
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "CAP_SYS_ADMIN") || !strings.Contains(string(out), "root") {
		t.Errorf("%v, says %s", err, out)
	}
}

// TestMachinesThatCannot takes away, in a mount namespace of their own, what fastcr and its target need.
func TestMachinesThatCannot(t *testing.T) {
	needFastcr(t)
	empty := t.TempDir()
	for name, c := range map[string]struct {
		without string // a script that takes it away
		words   []string
	}{
		// A directory over the pins, too: programs that an earlier run has pinned need no BTF.
		"no BTF": {"mount --bind " + empty + " /sys/kernel/btf; [ ! -d /run/fastcr ] || mount --bind " + empty + " /run/fastcr",
			[]string{"BTF"}},
		"no cgroup v2": {"awk '$0 ~ / - cgroup2 / {print $5}' /proc/self/mountinfo | while read m; do umount -l $m; done", []string{"cgroup v2", "mount"}},
	} {
		t.Run(name, func(t *testing.T) {
			img := t.TempDir()
			script := c.without + `; setsid sleep 100 & sleep 0.1; "$0" dump --pid $! -D "$1"; code=$?
				kill -0 $! && [ "$(ls -A "$1")" = "" ] || echo "not as it was"; kill -9 $!; "$0" check; exit $code`
			cmd := exec.Command("unshare", "--mount", "sh", "-c", script, tools.fastcr, img)
			text, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("exit code %d, %v", code, err)
			}
			said, checked, _ := strings.Cut(string(text), "\n")
			for _, w := range append(c.words, "fastcr dump: ") {
				if !strings.Contains(said, w) {
					t.Errorf("dump says %q, without %q", said, w)
				}
			}
			if strings.Contains(string(text), "not as it was") || !strings.Contains(checked, "no dump") {
				t.Errorf("%s", text)
			}
		})
	}
	if err := unix.Access("/sys/kernel/btf/vmlinux", unix.R_OK); err != nil {
		t.Error(err)
	}
}

// TestVfork: a child that is about to call exec is waited for; one that does not is named.
func TestVfork(t *testing.T) {
	needFastcr(t)
	t.Run("all the time", func(t *testing.T) {
		r := newRun(t, Case{Source: "vforks"})
		r.start()
		succeeded := 0
		for range 8 {
			if out, errs, code := fastcr(t, "", "dump", "--pid", strconv.Itoa(r.pid), "-D", t.TempDir(), "-R"); code == 0 {
				succeeded++
			} else if !strings.Contains(errs, "vfork") && !strings.Contains(errs, "changed") {
				t.Errorf("exit code %d: %s%s", code, out, errs)
			}
		}
		if succeeded == 0 {
			t.Error("of 8 dumps none has succeeded")
		}
		if r.ended() {
			t.Error("the target has ended")
		}
	})
	t.Run("for long", func(t *testing.T) {
		r := newRun(t, Case{Source: "vforks", Args: []string{"60"}})
		r.start()
		if !eventually(5*time.Second, func() bool { return len(tree(r.pid)) == 2 }) {
			t.Fatal("no child")
		}
		img := t.TempDir()
		refused(t, img, []string{"dump", "--pid", strconv.Itoa(r.pid), "-D", img}, "pid "+strconv.Itoa(tree(r.pid)[1]), "vfork", "try again")
		if r.ended() {
			t.Error("the target has ended")
		}
	})
}

// TestTargetThatIsKilled by somebody else at any moment of its dump.
func TestTargetThatIsKilled(t *testing.T) {
	needFastcr(t)
	for ms := 5; ms < 250; ms += 8 + ms/8 {
		r := newRun(t, Case{Source: "big", Args: []string{"64"}})
		r.start()
		killer := time.AfterFunc(time.Duration(ms)*time.Millisecond, func() { _ = syscall.Kill(r.pid, syscall.SIGKILL) })
		img := t.TempDir()
		out, errs, code := fastcr(t, "", "dump", "--pid", strconv.Itoa(r.pid), "-D", img)
		killer.Stop()
		switch complete := exists(filepath.Join(img, "inventory.img")); {
		case complete != (code == 0):
			t.Errorf("after %d ms: exit code %d, complete: %v: %s%s", ms, code, complete, out, errs)
		case code != 0 && (len(names(img)) > 0 || !strings.Contains(errs, strconv.Itoa(r.pid))):
			t.Errorf("after %d ms: exit code %d, left %v: %s", ms, code, names(img), errs)
		case code != 0:
			t.Logf("after %d ms: %s", ms, strings.TrimSpace(errs))
		}
		if !eventually(10*time.Second, r.ended) {
			t.Errorf("after %d ms: the target lives", ms)
		}
	}
}
