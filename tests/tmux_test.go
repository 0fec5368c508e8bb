package tests

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tmux asks the server of a run.
func (r *Run) tmux(args ...string) string {
	r.t.Helper()
	out, err := r.command("tmux", append([]string{"-S", filepath.Join(r.work, "socket"), "-f", "/dev/null"}, args...))
	if err != nil {
		r.t.Fatalf("tmux %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// pane returns all that a window has shown.
func (r *Run) pane(window string) func() string {
	return func() string { return r.tmux("capture-pane", "-p", "-S", "-", "-t", window) }
}

// asks types a shell's command in a window and waits for the line that it is to print.
func (r *Run) asks(window, command, line string) {
	r.t.Helper()
	r.tmux("send-keys", "-t", window, command, "Enter")
	if !eventually(30*time.Second, func() bool { return strings.Contains(r.pane(window)(), "\n"+line+"\n") }) {
		r.t.Fatalf("window %s does not show %q, but\n%s", window, line, r.pane(window)())
	}
}

// TestTmuxAttached has the server's client in the tree.
func TestTmuxAttached(t *testing.T) {
	runCase(t, Case{Name: "client", Command: []string{"python3", target(t, "tmux.py")}, Moving: true})
}

// TestTmux dumps a tmux server with windows in which shells run.
func TestTmux(t *testing.T) {
	needFastcr(t) // criu's restore fails when a job has just ended
	r := newRun(t, Case{Moving: true, Refused: []string{"(unix socket", "its peer", "is outside of the tree"}})
	shell := "bash --norc --noprofile"
	r.tmux("new-session", "-d", "-x", "91", "-y", "33", "-s", "work", "-n", "shell", shell)
	r.tmux("new-window", "-d", "-n", "counter", shell)
	r.tmux("new-window", "-d", "-n", "another", shell)
	pid, err := strconv.Atoi(strings.TrimSpace(r.tmux("display-message", "-p", "#{pid}")))
	if err != nil {
		t.Fatal(err)
	}
	r.pid = pid
	r.tmux("send-keys", "-t", "counter", counting, "Enter")
	r.tmux("send-keys", "-t", "another", counting, "Enter")
	r.asks("shell", "N=41; echo N is $((N + 0))", "N is 41")
	goesOn := func() {
		t.Helper()
		countsOn(t, r.pane("counter"))
		countsOn(t, r.pane("another"))
	}
	goesOn()
	windows := r.tmux("list-windows")
	if strings.Count(windows, "\n") != 3 {
		t.Fatalf("%s", windows)
	}
	r.dumpRunning()
	goesOn()
	r.asks("shell", "echo N is $((N + 1))", "N is 42")
	r.dumpAndKill()
	r.restore()
	goesOn()
	r.asks("shell", "echo N is $((N + 2))", "N is 43")
	if now := r.tmux("list-windows"); now != windows {
		t.Errorf("the windows were\n%s, are\n%s", windows, now)
	}

	// A client at a terminal that is not dumped: refused, and it goes on; it leaves, and nothing is in the way.
	x := inTerminal(t, "xterm", "tmux", "-S", filepath.Join(r.work, "socket"), "attach")
	x.shows(0, "N is 43")
	r.dumpRefused()
	x.types("echo N is $((N + 3))\n")
	x.shows(0, "N is 44")
	time.Sleep(100 * time.Millisecond) // keys that come all at once are taken for pasted ones
	x.types("\x02")
	time.Sleep(100 * time.Millisecond)
	x.types("d")
	x.ends(0)
	r.dumpRunning()
	goesOn()
	r.tmux("kill-server")
	if !eventually(10*time.Second, r.ended) {
		t.Error("the server does not end")
	}
}
