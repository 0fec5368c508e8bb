package tests

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is one of the test's in which a program runs that is not dumped.
type terminal struct {
	t      *testing.T
	pid    int
	master *os.File
	mu     sync.Mutex
	text   strings.Builder // all that it has shown
}

// inTerminal starts a command as the leader of a new terminal's session.
func inTerminal(t *testing.T, kind string, argv ...string) *terminal {
	t.Helper()
	master, slave := openPTY(t)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = append(cmd.Environ(), "TERM="+kind, "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, pid: cmd.Process.Pid, master: master}
	_ = cmd.Process.Release() // ends collects it, or the run's cleanup
	go func() { _, _ = io.Copy(x, master) }()
	x.resize(33, 91)
	return x
}

// Write takes what the program shows.
func (x *terminal) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.Write(b)
}

func (x *terminal) raw() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.String()
}

// shown is what it has shown, without carriage returns.
func (x *terminal) shown() string { return strings.ReplaceAll(x.raw(), "\r", "") }

func (x *terminal) resize(rows, columns uint16) {
	x.t.Helper()
	if err := unix.IoctlSetWinsize(int(x.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		x.t.Fatal(err)
	}
}

func (x *terminal) types(text string) {
	x.t.Helper()
	if _, err := x.master.WriteString(text); err != nil {
		x.t.Fatalf("type %q: %v", text, err)
	}
}

// shows waits until a text is shown after the first bytes that were.
func (x *terminal) shows(after int, text string) {
	x.t.Helper()
	if !eventually(30*time.Second, func() bool { return strings.Contains(x.shown()[after:], text) }) {
		x.t.Fatalf("the terminal does not show %q, but %q", text, x.shown()[after:])
	}
}

// asks types a shell's command and waits for the line that it is to print.
func (x *terminal) asks(command, line string) {
	x.t.Helper()
	before := len(x.shown())
	x.types(command + "\n")
	x.shows(before, fmt.Sprintf("\n%s\n", line))
}

// interrupts types ^C until there is a prompt: a shell that is about to start a command may miss it.
func (x *terminal) interrupts(prompt string) {
	x.t.Helper()
	before := len(x.shown())
	if !eventually(30*time.Second, func() bool {
		x.types("\x03")
		return eventually(time.Second, func() bool { return strings.HasSuffix(x.shown()[before:], prompt) })
	}) {
		x.t.Fatalf("^C does not interrupt: %q", x.shown()[before:])
	}
}

// ends waits for the end of the program.
func (x *terminal) ends(status int) {
	x.t.Helper()
	var ws syscall.WaitStatus
	if !eventually(10*time.Second, func() bool { pid, _ := syscall.Wait4(x.pid, &ws, syscall.WNOHANG, nil); return pid == x.pid }) {
		x.t.Fatalf("pid %d does not end; the terminal shows %q", x.pid, x.shown())
	}
	if ws.ExitStatus() != status {
		x.t.Errorf("the program ended with wait status %#x; the terminal shows %q", ws, x.shown())
	}
}

// counting is a shell's command that counts.
const counting = `for ((n = 1; ; n++)); do echo n$n; sleep 0.02; done`

var counted = regexp.MustCompile(`(?m)^n([0-9]+)\r?\n`)

// lastCounted is what a counting shell has come to. The lines that it has printed have to be
// complete, none lost and none repeated.
func lastCounted(t *testing.T, text string) int {
	t.Helper()
	last := 0
	for _, m := range counted.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		if n != last+1 {
			t.Fatalf("%d is followed by %d in\n%s", last, n, text)
		}
		last = n
	}
	return last
}

// countsOn waits until a counting shell whose output text returns has printed some more lines.
func countsOn(t *testing.T, text func() string) {
	t.Helper()
	from := lastCounted(t, text())
	if !eventually(30*time.Second, func() bool { return lastCounted(t, text()) > from+10 }) {
		t.Fatalf("it does not count on from %d:\n%s", from, text())
	}
}
