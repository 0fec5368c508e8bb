package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// waiting is a program that ends with 7 when it is told to go. It starts no others: criu's
// own dump does not like children that come and go.
const waiting = `exec </dev/null >/dev/null 2>&1; mkfifo go; echo > ready; read x <go; exit 7`

// tell lets the program whose directory dir is go on, once it is there.
func tell(t *testing.T, dir string) {
	t.Helper()
	eventually(t, "the program reads", func() bool {
		fifo, err := os.OpenFile(filepath.Join(dir, "go"), os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return false
		}
		defer fifo.Close()
		_, err = fifo.WriteString("go\n")
		return err == nil
	})
}

func TestRestoredProgramIsOurChild(t *testing.T) {
	p, dir := dumped(t, realCriu(t), waiting)
	var out bytes.Buffer
	got, err := Restore(context.Background(), Options{ImagesDir: p.img, Stdout: &out, Stderr: &out})
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	defer end(p.pid)
	if got.PID != p.pid || got.Detached {
		t.Errorf("restored as %+v, was %d", got, p.pid)
	}
	tell(t, dir)
	if status, err := got.Wait(); err != nil || status.ExitStatus() != 7 {
		t.Errorf("wait: %#x, %v", status, err)
	}
	if _, err := got.Wait(); err == nil {
		t.Error("it can be waited for twice")
	}
}

func TestRunTellsTheExitCode(t *testing.T) {
	p, dir := dumped(t, realCriu(t), waiting)
	go tell(t, dir)
	if code, err := Run(context.Background(), Options{ImagesDir: p.img, Stderr: io.Discard}); err != nil || code != 7 {
		t.Errorf("exit code %d, %v", code, err)
	}
	// The images are still there: a second life, ended by a signal.
	go func() {
		eventually(t, "it is back", func() bool { return alive(p.pid) && isChild(p.pid) && !traced(p.pid) })
		unix.Kill(p.pid, unix.SIGKILL)
	}()
	if code, err := Run(context.Background(), Options{ImagesDir: p.img, Stderr: io.Discard}); err != nil || code != 128+9 {
		t.Errorf("exit code %d, %v", code, err)
	}
}

// traced says whether criu still has a hold of pid, or has not yet begun to run it.
func traced(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err != nil || !strings.Contains(string(text), "TracerPid:\t0\n") || !strings.Contains(string(text), "Name:\tsh\n")
}

func TestDetached(t *testing.T) {
	criu := realCriu(t)
	p, dir := dumped(t, criu, waiting)
	pidFile := filepath.Join(t.TempDir(), "pid")
	got, err := Restore(context.Background(), Options{ImagesDir: p.img, Stderr: io.Discard,
		Args: []string{"-d", "--pidfile", pidFile, "-o", "restore.log", "-W", dir, "-v4"}})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Kill(p.pid, unix.SIGKILL)
	text, _ := os.ReadFile(pidFile)
	if got.PID != p.pid || !got.Detached || string(text) != strconv.Itoa(p.pid) {
		t.Errorf("restored as %+v, was %d, pid file %q", got, p.pid, text)
	}
	if children(t)[strconv.Itoa(p.pid)] {
		t.Error("a detached program is our child")
	}
	if !exists(filepath.Join(dir, "restore.log")) {
		t.Error("criu did not get its options")
	}
	tell(t, dir)
	eventually(t, "the restored program has ended", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
		return err != nil || bytes.Contains(stat, []byte(") Z "))
	})
	if _, err := got.Wait(); err == nil {
		t.Error("a detached program can be waited for")
	}
}

// TestFailureIsExplained restores a program whose open file is gone: criu fails when the
// tree is half there, and nothing of it may stay.
func TestFailureIsExplained(t *testing.T) {
	p, dir := dumped(t, realCriu(t), `echo > input; exec 5<input; `+waiting)
	if err := os.Remove(filepath.Join(dir, "input")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"-o", "restore.log"}, {"-d"}} {
		before := children(t)
		var out bytes.Buffer
		_, err := Restore(context.Background(), Options{ImagesDir: p.img, Args: args, Stderr: &out})
		var failed *Error
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), "input") || !strings.Contains(err.Error(), p.img) {
			t.Errorf("%v: %v\n%s", args, err, &out)
		}
		for pid := range children(t) {
			if !before[pid] {
				t.Errorf("%v: child %s stays", args, pid)
			}
		}
		if alive(p.pid) && !strings.Contains(strings.Join(args, " "), "-d") {
			t.Errorf("%v: pid %d stays", args, p.pid)
		}
	}
}

func TestTakenPIDIsNamed(t *testing.T) {
	p, _ := dumped(t, realCriu(t), waiting)
	first, err := Restore(context.Background(), Options{ImagesDir: p.img, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	defer end(first.PID)
	_, err = Restore(context.Background(), Options{ImagesDir: p.img, Stderr: io.Discard})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("pid %d is in use by sh", p.pid)) {
		t.Errorf("%v", err)
	}
	if !alive(p.pid) {
		t.Error("the program that has the pid was killed")
	}
}

// TestPidThatIsBeingFreed restores while the dumped program is a zombie, and a little later is not.
func TestPidThatIsBeingFreed(t *testing.T) {
	criu := realCriu(t)
	dir := t.TempDir()
	t.Chdir(dir)
	cmd := exec.Command("setsid", "sh", "-c", waiting) // a child of ours that nobody reaps yet
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	eventually(t, "the program is ready", func() bool { return exists("ready") })
	img := dump(t, criu, cmd.Process.Pid)
	var seen bytes.Buffer
	go func() {
		eventually(t, "criu was refused the pid", func() bool { return exists(filepath.Join(img, "restore.log")) })
		cmd.Wait()
	}()
	got, err := Restore(context.Background(), Options{ImagesDir: img, Args: []string{"-o", "restore.log", "-v4"}, Stderr: &seen})
	if err != nil {
		t.Fatalf("%v\n%s", err, &seen)
	}
	end(got.PID)
}

func TestExecCmd(t *testing.T) {
	p, _ := dumped(t, realCriu(t), waiting)
	// The shell becomes the parent of the restored program.
	code, err := Run(context.Background(), Options{ImagesDir: p.img, Stderr: os.Stderr,
		Args: []string{"--exec-cmd", "--", "/bin/sh", "-c", "exit 5"}})
	if err != nil || code != 5 {
		t.Errorf("exit code %d, %v", code, err)
	}
	unix.Kill(p.pid, unix.SIGKILL)
}

// TestBadImagesReachNoCriu: criu is not even looked for.
func TestBadImagesReachNoCriu(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	fake := fakeCriu(t, "echo Version: 4.2; echo >>"+ran)
	p, _ := dumped(t, realCriu(t), waiting)
	t.Setenv("FASTCR_CRIU", fake)
	core := fmt.Sprintf("core-%d.img", p.pid)
	for what, c := range map[string]struct {
		file   string
		change func(b []byte) []byte // nil removes the file
	}{
		"no inventory":         {"inventory.img", nil},
		"no pstree":            {"pstree.img", nil},
		"no core":              {core, nil},
		"empty inventory":      {"inventory.img", func([]byte) []byte { return nil }},
		"foreign inventory":    {"inventory.img", func([]byte) []byte { return []byte("\x89PNG\r\n\x1a\n and so on") }},
		"truncated core":       {core, func(b []byte) []byte { return b[:len(b)-3] }},
		"damaged magic":        {"pstree.img", func(b []byte) []byte { b[5] ^= 1; return b }},
		"size beyond the file": {core, func(b []byte) []byte { b[10] = 0x7f; return b }},
		"no message":           {core, func(b []byte) []byte { return append(b[:8], 4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff) }},
		"truncated pages":      {"pages-1.img", func(b []byte) []byte { return b[:len(b)/2] }},
		"no pages":             {"pages-1.img", nil},
		"root has no number":   {"pstree.img", func(b []byte) []byte { return b[:8] }},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(p.img)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, c.file)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			os.Remove(path)
			if c.change != nil {
				if err := os.WriteFile(path, c.change(b), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err = Restore(context.Background(), Options{ImagesDir: dir})
			if err == nil || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %v", err)
			}
			t.Log(err)
		})
	}
	for _, dir := range []string{t.TempDir(), "/nonexistent", ran} {
		if _, err := Restore(context.Background(), Options{ImagesDir: dir}); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: error %v", dir, err)
		}
	}
	if exists(ran) {
		t.Error("criu was run")
	}
}
