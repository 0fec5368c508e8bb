package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSignals(t *testing.T) {
	runCase(t, Case{Name: "actions", Source: "sigactions"})
	runCase(t, Case{Name: "timers", Source: "timers"})
}

func TestProcess(t *testing.T) {
	for _, part := range []string{"limits", "identity", "user"} {
		runCase(t, Case{Name: part, Source: "process", Args: []string{part}})
	}
	runCase(t, Case{Name: "attributes", Source: "process", Args: []string{"attributes"},
		Ignore: []string{"personality"}}) // in the image, but criu's restore does not set it
}

func TestChroot(t *testing.T) {
	dirs := func(t *testing.T, r *Run) {
		if err := os.MkdirAll(filepath.Join(r.work, "root", "sub"), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	runCase(t, Case{Name: "chroot", Source: "process", Args: []string{"chroot"}, Dir: "root/sub", Setup: dirs})
}

// TestPendingStops is about signals that would stop the restorer.
func TestPendingStops(t *testing.T) {
	runCase(t, Case{Name: "stopped", Source: "pending", Args: []string{"stopped"}, Stopped: true, Ignore: []string{"SigPnd", "ShdPnd"}})
	runCase(t, Case{Name: "trap", Source: "pending", Args: []string{"trap"}, Refused: []string{"SIGTRAP pending"}})
	runCase(t, Case{Name: "traced", Source: "pending", Args: []string{"traced"}, Refused: []string{"traced by process", "detach the tracer"}})
}

func TestSeccomp(t *testing.T) {
	for _, kind := range []string{"strict", "kill", "threads", "tsync"} {
		runCase(t, Case{Name: kind, Source: "seccomp", Args: []string{kind}})
	}
	runCase(t, Case{Name: "sleeps", Source: "seccomp", Args: []string{"sleeps"}, CRIUCannot: "keep sleeps from returning EINTR"})
}

// TestFilterThatForbidsToSleepOn: the kernel would kill these targets at any thaw.
func TestFilterThatForbidsToSleepOn(t *testing.T) {
	needFastcr(t)
	t.Run("is told", func(t *testing.T) {
		r := newRun(t, Case{Source: "seccomp", Args: []string{"sleeps"}})
		r.start()
		out, err := r.tryDump("-R", "--json")
		if err != nil || !strings.Contains(string(out), `"restarted_sleeps":`) || strings.Contains(string(out), `"restarted_sleeps":0`) {
			t.Errorf("%v, says %s", err, out)
		}
		r.verdict("live")
	})
	// A dump that fails in the freeze thaws too.
	t.Run("not frozen in time", func(t *testing.T) {
		r := stuckChild(t, Case{Source: "seccomp", Args: []string{"sleeps"}})
		pid := childOf(t, r.pid, "cat")
		out, err := r.tryDump("--timeout", "1")
		if err == nil || !strings.Contains(string(out), fmt.Sprintf("pid %d", pid)) {
			t.Errorf("%v, says %s", err, out)
		}
		if r.ended() {
			t.Errorf("the target has ended: %s", r.describeEnd())
		}
	})
	t.Run("and is traced", func(t *testing.T) {
		// strace -DDD is no parent of the program. Who attaches to such a program later kills it, as any stop does.
		r := newRun(t, Case{Command: []string{"strace", "-DDD", "-f", "-qq", "-o", "/dev/null", buildTarget(t, "seccomp"), "sleeps"},
			Refused: []string{"restart_syscall", "traced", "detach"}})
		r.start()
		r.dumpRefused()
		r.verdict("live")
	})
}
