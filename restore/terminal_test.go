package restore

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal is a pty and what was printed on it.
type terminal struct {
	master *os.File
	mu     sync.Mutex
	text   strings.Builder
}

// onTerminal starts cmd as the leader of a session that has a terminal of its own.
func onTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{master: os.NewFile(uintptr(fd), "ptmx")}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go io.Copy(term, term.master) // ends when the master is closed
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		term.master.Close()
	})
	return term
}

func (term *terminal) Write(b []byte) (int, error) {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.text.Write(b)
}

func (term *terminal) String() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return strings.ReplaceAll(term.text.String(), "\r", "")
}

func (term *terminal) shows(t *testing.T, what string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the terminal shows:\n%s", term)
		}
	}()
	eventually(t, "the terminal shows "+what, func() bool { return strings.Contains(term.String(), what) })
}

// TestShellJob dumps a job of a shell, and restores it twice as the job of another terminal:
// what is typed reaches it, Ctrl-C is its own to heed, and its exit code is passed on.
func TestShellJob(t *testing.T) {
	criu := realCriu(t)
	job := filepath.Join(t.TempDir(), "job.sh")
	script := `trap 'echo interrupted; exit 9' INT
echo "pid $$."
read line
echo "heard $line"
exit 7
`
	if err := os.WriteFile(job, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-c", "sh "+job+"; echo shell: $?; read wait")
	first := onTerminal(t, shell)
	first.shows(t, ".\n")
	_, after, _ := strings.Cut(first.String(), "pid ")
	number, _, _ := strings.Cut(after, ".")
	pid, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Kill(pid, unix.SIGKILL) })
	img := dump(t, criu, pid, "-j")
	first.shows(t, "shell: 137") // killed
	for _, c := range []struct{ typed, heard, end string }{
		{"hello\n", "heard hello\n", "ended with 7\n"},
		{"\x03", "interrupted\n", "ended with 9\n"},
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "RESTORE_DIR="+img, "RESTORE_ARGS=-j -v0")
		second := onTerminal(t, cmd)
		eventually(t, "the job is back and reads", func() bool {
			return only(cmd.Process.Pid, pid) && reads(pid) || strings.Contains(second.String(), "ended")
		})
		if _, err := second.master.WriteString(c.typed); err != nil {
			t.Fatal(err)
		}
		second.shows(t, "ended with")
		if s := second.String(); !strings.Contains(s, c.heard) || !strings.Contains(s, c.end) {
			t.Errorf("after %q the terminal shows:\n%s", c.typed, s)
		}
		cmd.Wait()
	}
}

// only says whether pid is the only child of parent: criu has ended.
func only(parent, pid int) bool {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	var all []string
	for _, l := range lists {
		text, _ := os.ReadFile(l)
		all = append(all, strings.Fields(string(text))...)
	}
	return len(all) == 1 && all[0] == strconv.Itoa(pid)
}

// reads says whether a process sleeps in read(2) on its standard input.
func reads(pid int) bool {
	call, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	return err == nil && strings.HasPrefix(string(call), "0 0x0 ") && !traced(pid)
}

// TestJobControl restores the job of an interactive shell, which kept its process group, in
// another interactive shell: Ctrl-Z gives the terminal back to the shell, fg to the program.
func TestJobControl(t *testing.T) {
	criu := realCriu(t)
	dir := t.TempDir()
	script := `echo "pid $$."; while read line; do echo "heard $line"; [ "$line" != end ] || exit 7; done` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "job.sh"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := func() *terminal {
		cmd := exec.Command("bash", "--norc", "--noprofile", "-i")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "TERM=dumb", "PS1=> ", "HISTFILE=")
		return onTerminal(t, cmd)
	}
	first := shell()
	first.types(t, "sh job.sh\n")
	first.shows(t, ".\n")
	_, after, _ := strings.Cut(first.String(), "pid ")
	number, _, _ := strings.Cut(after, ".")
	pid, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Kill(pid, unix.SIGKILL) })
	img := dump(t, criu, pid, "-j")
	first.shows(t, "Killed")

	second := shell()
	second.types(t, fmt.Sprintf("RESTORE_DIR=%s RESTORE_ARGS='-j -v0' %s; echo code $?.\n", img, os.Args[0]))
	eventually(t, "the job reads", func() bool { return reads(pid) && foreground(pid) })
	second.types(t, "one\n")
	second.shows(t, "heard one\n")
	second.types(t, "\x1a")
	second.shows(t, "Stopped")
	second.types(t, "echo the shell is back | tr a-z A-Z\n")
	second.shows(t, "THE SHELL IS BACK")
	second.types(t, "fg\n")
	eventually(t, "the job reads again", func() bool { return reads(pid) && foreground(pid) })
	second.types(t, "two\nend\n")
	second.shows(t, "heard two\n")
	second.shows(t, "ended with 7\n")
	second.types(t, "echo code $?.\n")
	second.shows(t, "\ncode 7.")
}

func (term *terminal) types(t *testing.T, keys string) {
	t.Helper()
	if _, err := term.master.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// foreground says whether pid's process group has its terminal.
func foreground(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	return fields[2] == fields[5] // pgrp, tpgid
}
