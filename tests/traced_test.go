package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTraced dumps programs that somebody else traces: a dump makes no ptrace call, so it
// neither fails nor takes the tracer's place.
func TestTraced(t *testing.T) {
	for name, tracer := range map[string][]string{
		"strace": {"strace", "-f", "-qq", "-o", "/dev/null", "-p"},
		"gdb":    {"gdb", "-q", "-nx", "-batch", "-ex", "set confirm off", "-ex", "continue", "-p"},
	} {
		if _, err := exec.LookPath(tracer[0]); err != nil {
			if os.Getenv("CI") == "true" {
				t.Errorf("%s is needed: %v", name, err)
			}
			continue
		}
		var pid string
		runCase(t, Case{Name: "by " + name, Source: "counter", Once: true,
			CRIUCannot: "attach to what is traced",
			Ready:      func(t *testing.T, r *Run) { pid = attach(t, r, tracer) },
			Undisturbed: func(t *testing.T, r *Run) {
				if now := tracerOf(r.pid); now != pid {
					t.Errorf("the tracer is %s, was %s", now, pid)
				}
			},
		})
	}
}

// attach starts a tracer of the program and waits until it has it; it ends with the program.
func attach(t *testing.T, r *Run, tracer []string) string {
	t.Helper()
	out, err := os.Create(filepath.Join(r.logs, tracer[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(tracer[0], append(tracer[1:len(tracer):len(tracer)], strconv.Itoa(r.pid))...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(cmd.Process.Pid)
	_ = cmd.Process.Release() // the harness reaps what is below it
	if !eventually(20*time.Second, func() bool { return tracerOf(r.pid) == pid && !stopped(r.pid) }) {
		t.Fatalf("%s does not attach: %s", tracer[0], tail(out.Name()))
	}
	return pid
}

func tracerOf(pid int) string { return keyed("/proc/" + strconv.Itoa(pid) + "/status")["TracerPid"] }

// stopped says whether a process is stopped, by a signal or by its tracer.
func stopped(pid int) bool {
	st := statFields("/proc/" + strconv.Itoa(pid) + "/stat")
	return len(st) > 0 && strings.ContainsAny(st[0], "Tt")
}
