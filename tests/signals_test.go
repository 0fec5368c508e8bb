package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dumpAndSignal starts a dump, sends fastcr a signal after a while, and tells how it ended.
func dumpAndSignal(t *testing.T, r *Run, img string, sig syscall.Signal, after time.Duration, flags ...string) (syscall.WaitStatus, string) {
	t.Helper()
	args := append([]string{"dump", "--pid", strconv.Itoa(r.pid), "-D", img}, flags...)
	cmd := exec.Command(tools.fastcr, args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // a script may outlive fastcr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	_ = cmd.Process.Signal(sig)
	late := time.AfterFunc(time.Minute, func() { t.Error("fastcr does not end"); _ = cmd.Process.Kill() })
	defer late.Stop()
	_ = cmd.Wait()
	return cmd.ProcessState.Sys().(syscall.WaitStatus), out.String()
}

// whereabouts tells what a process is doing, as far as the kernel says.
func whereabouts(pid int) string {
	var b strings.Builder
	for _, name := range []string{"stat", "wchan", "syscall", "stack", "cgroup"} {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		fmt.Fprintf(&b, "%s: %s\n", name, strings.TrimSpace(string(text)))
	}
	fmt.Fprintf(&b, "frozen cgroups: %v, cgroups of fastcr: %v", frozenCgroups(), fastcrCgroups())
	return b.String()
}

// isAsBefore fails the test if the target of a dump that did not succeed is not as it was.
func isAsBefore(t *testing.T, r *Run, what string) {
	t.Helper()
	if !eventually(10*time.Second, func() bool { return r.ended() || len(r.before.differs(r.look(), r.c.Ignore)) == 0 }) {
		t.Errorf("%s: the target is not as it was: %v; %s", what, r.before.differs(r.look(), r.c.Ignore), whereabouts(r.pid))
	}
	if r.ended() {
		t.Fatalf("%s: the target has ended: %s", what, r.describeEnd())
	}
	// The next fastcr wants it to be in nobody's cgroup.
	held := func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", r.pid))
		return strings.Contains(string(b), "/fastcr.")
	}
	if !eventually(10*time.Second, func() bool { return !held() }) {
		t.Errorf("%s: the target is still held", what)
	}
}

// TestSignalsAtAnyStage ends fastcr by a signal sooner or later. Either the dump has
// succeeded, or the target runs on and there are no images.
func TestSignalsAtAnyStage(t *testing.T) {
	needFastcr(t)
	for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGKILL} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			r := newRun(t, Case{Command: []string{"python3", target(t, "kinds.py")}, Args: []string{"memory"}})
			r.start()
			r.before = r.look()
			img := t.TempDir()
			for ms := 2; ms < 400; ms += 3 + ms/4 {
				what := fmt.Sprintf("%s after %d ms", unix.SignalName(sig), ms)
				ws, out := dumpAndSignal(t, r, img, sig, time.Duration(ms)*time.Millisecond)
				if ws.Exited() && ws.ExitStatus() == 0 { // too late
					if !exists(filepath.Join(img, "inventory.img")) {
						t.Errorf("%s: success without an inventory: %s", what, out)
					}
					if !eventually(10*time.Second, r.ended) {
						t.Errorf("%s: success, but the target lives on", what)
					}
					return
				}
				switch {
				case sig == unix.SIGQUIT && ws.ExitStatus() == 131:
				case sig == unix.SIGQUIT && ws.ExitStatus() == 2: // before main: Go's runtime prints its goroutines
				case ws.Signaled() && ws.Signal() == sig: // SIGQUIT: before Go's runtime listened
				default:
					t.Errorf("%s: fastcr ended with %#x: %s", what, ws, out)
				}
				if exists(filepath.Join(img, "inventory.img")) {
					// Killed after the images were complete: the target may have been ended as well.
					if sig == unix.SIGKILL {
						return
					}
					t.Fatalf("%s: fastcr failed, but there is a checkpoint: %s", what, out)
				}
				isAsBefore(t, r, what)
				if left := names(img); len(left) > 0 && sig != unix.SIGKILL {
					t.Fatalf("%s: left in the images directory: %v", what, left)
				}
				if left, _ := filepath.Glob(filepath.Join(img, "*.img")); len(left) > 0 { // killed while it moved them
					return
				}
			}
		})
	}
}

// TestLeftoversOfAKilledFastcr: the next dump removes them.
func TestLeftoversOfAKilledFastcr(t *testing.T) {
	needFastcr(t)
	r := newRun(t, Case{Source: "counter"})
	r.start()
	r.before = r.look()
	img := t.TempDir()
	wait := waitingScript(t, "pre-dump")
	dumpAndSignal(t, r, img, unix.SIGKILL, 100*time.Millisecond, "--action-script", wait)
	if err := os.Mkdir(filepath.Join(img, ".fastcr-12345678"), 0o700); err != nil {
		t.Fatal(err)
	}
	isAsBefore(t, r, "killed")
	if out, err := exec.Command(tools.fastcr, "dump", "--pid", strconv.Itoa(r.pid), "-D", img, "-R").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if left, _ := filepath.Glob(filepath.Join(img, ".fastcr-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	r.verdict("live")
}

// waitingScript is an action script that hangs at one action.
func waitingScript(t *testing.T, action string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	text := "#!/bin/sh\n[ $CRTOOLS_SCRIPT_ACTION = " + action + " ] && exec sleep 1000\nexit 0\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestInterruptedWhileSomethingHangs: what fastcr waits for does not keep it from ending.
func TestInterruptedWhileSomethingHangs(t *testing.T) {
	needFastcr(t)
	interrupted := func(t *testing.T, r *Run, flags ...string) string {
		r.before = r.look()
		img := t.TempDir()
		ws, out := dumpAndSignal(t, r, img, unix.SIGINT, 500*time.Millisecond, flags...)
		if !ws.Signaled() || ws.Signal() != unix.SIGINT || !strings.Contains(out, "interrupted by SIGINT") {
			t.Errorf("fastcr ended with %#x: %s", ws, out)
		}
		isAsBefore(t, r, "interrupted")
		return img
	}
	for _, action := range []string{"pre-dump", "post-dump"} {
		t.Run("the "+action+" script", func(t *testing.T) {
			r := newRun(t, Case{Source: "counter"})
			r.start()
			img := interrupted(t, r, "--action-script", waitingScript(t, action))
			if complete := exists(filepath.Join(img, "inventory.img")); complete != (action == "post-dump") {
				t.Errorf("images complete: %v", complete)
			}
			r.verdict("live")
		})
	}
	t.Run("the freeze", func(t *testing.T) {
		r := stuckChild(t, Case{Source: "counter"})
		childOf(t, r.pid, "cat")
		img := interrupted(t, r, "--timeout", "100")
		if left := names(img); len(left) > 0 {
			t.Error(left)
		}
		r.verdict("live")
	})
}

// TestCtrlZ is not obeyed: the target would stay frozen.
func TestCtrlZ(t *testing.T) {
	needFastcr(t)
	r := newRun(t, Case{Command: []string{"python3", target(t, "kinds.py")}, Args: []string{"memory"}})
	r.start()
	// The script runs at the beginning: no signal comes before fastcr has started.
	for ms := 200; ms < 500; ms += 20 + ms/20 {
		ws, out := dumpAndSignal(t, r, t.TempDir(), unix.SIGTSTP, time.Duration(ms)*time.Millisecond, "-R", "--action-script", slowScript(t))
		if !ws.Exited() || ws.ExitStatus() != 0 {
			t.Errorf("after %d ms: fastcr ended with %#x: %s", ms, ws, out)
		}
	}
}

// TestIgnoredSignalsStayIgnored: nohup.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	needFastcr(t)
	pid := sleeper(t, "sleep", "100")
	cmd := exec.Command("sh", "-c", `trap "" HUP; "$@" & sleep 0.1; kill -HUP $!; wait $!`, "sh",
		tools.fastcr, "dump", "--pid", strconv.Itoa(pid), "-D", t.TempDir(), "-R", "--action-script", slowScript(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// slowScript takes a moment, so that a signal finds fastcr.
func slowScript(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nsleep 0.3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestStoppedFastcr: SIGSTOP cannot be caught. The target runs while fastcr does not, and the
// dump that goes on afterwards is one of one moment.
func TestStoppedFastcr(t *testing.T) {
	needFastcr(t)
	for _, flags := range [][]string{{"-R"}, nil} {
		r := newRun(t, Case{Source: "big", Args: []string{"128"}})
		r.start()
		for ms := 20; ms < 300 && !r.ended(); ms += 25 {
			img := t.TempDir()
			cmd := exec.Command(tools.fastcr, append([]string{"dump", "--pid", strconv.Itoa(r.pid), "-D", img}, flags...)...)
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(ms) * time.Millisecond)
			_ = cmd.Process.Signal(unix.SIGSTOP)
			if !eventually(10*time.Second, func() bool { return !slices.ContainsFunc(frozenCgroups(), ofFastcr(cmd.Process.Pid)) }) {
				t.Errorf("after %d ms: the target stays frozen", ms)
			}
			_ = cmd.Process.Signal(unix.SIGCONT)
			if err := cmd.Wait(); err != nil && !strings.Contains(out.String(), "thawed") {
				t.Errorf("after %d ms: %v, %s", ms, err, out.String())
			}
			if !exists(filepath.Join(img, "inventory.img")) {
				t.Errorf("after %d ms: no images: %s", ms, out.String())
			}
		}
	}
}

// ofFastcr says whether a cgroup is a temporary one of this fastcr.
func ofFastcr(pid int) func(dir string) bool {
	return func(dir string) bool { return strings.HasPrefix(filepath.Base(dir), fmt.Sprintf("fastcr.%d.", pid)) }
}

// TestStoppedAtTheEnd: the tree was to be ended, but has run on meanwhile.
func TestStoppedAtTheEnd(t *testing.T) {
	needFastcr(t)
	r := newRun(t, Case{Source: "counter"})
	r.start()
	img := t.TempDir()
	cmd := exec.Command(tools.fastcr, "dump", "--pid", strconv.Itoa(r.pid), "-D", img, "--action-script", slowScript(t))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	held := ofFastcr(cmd.Process.Pid)
	if !eventually(20*time.Second, func() bool { return exists(filepath.Join(img, "inventory.img")) }) {
		t.Fatal("no images")
	}
	_ = cmd.Process.Signal(unix.SIGSTOP) // the script has 0.3 s yet
	if !eventually(10*time.Second, func() bool { return !slices.ContainsFunc(frozenCgroups(), held) }) {
		t.Error("the target stays frozen")
	}
	_ = cmd.Process.Signal(unix.SIGCONT)
	if err := cmd.Wait(); err == nil || !strings.Contains(out.String(), "the images are complete, but the tree runs on") {
		t.Errorf("%v, says %s", err, out.String())
	}
	r.verdict("live")
}
