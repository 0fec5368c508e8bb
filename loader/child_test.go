package loader

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A child is this test binary again, in one of these modes: it brings itself
// into a state, prints "ready" and its thread's id, and stays there.
var childModes = map[string]func(){
	"pause":   func() {},
	"blocked": childBlocked,
	"groups":  childGroups,
	"seccomp": childSeccomp,
	"threads": childThreads,
	"creds":   childCreds,
	"rseq":    childRseq,
}

const childEnv = "FASTCR_LOADER_CHILD"

func TestMain(m *testing.M) {
	mode, is := childModes[os.Getenv(childEnv)]
	if !is {
		os.Exit(m.Run())
	}
	runtime.LockOSThread()
	mode()
	fmt.Println("ready", unix.Gettid())
	for {
		time.Sleep(time.Hour)
	}
}

type child struct {
	pid, tid int // tid: of the thread that is in the state
}

// startChild starts a child in a mode; it is killed when the test ends.
func startChild(t testing.TB, mode string) child {
	t.Helper()
	needBPF(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+mode)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("child %s: %v", mode, err)
	}
	c := child{pid: cmd.Process.Pid}
	if _, err := fmt.Sscanf(line, "ready %d", &c.tid); err != nil {
		t.Fatalf("child %s said %q", mode, line)
	}
	return c
}

// status is /proc/PID/task/TID/status, by field name.
func (c child) status(t testing.TB, tid int) map[string]string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/status", c.pid, tid))
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, line := range strings.Split(string(b), "\n") {
		if k, v, ok := strings.Cut(line, ":"); ok {
			m[k] = strings.TrimSpace(v)
		}
	}
	return m
}

// childThreads: 500 threads that sleep in different calls.
func childThreads() {
	done := make(chan bool)
	for i := range 499 {
		go func() {
			runtime.LockOSThread()
			done <- true
			childSleep(i)
		}()
		<-done
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
