package restore

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain also is the program that restores in a terminal of its own: RESTORE_DIR is set.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RESTORE_DIR"); dir != "" {
		code, err := Run(context.Background(), Options{ImagesDir: dir, Args: strings.Fields(os.Getenv("RESTORE_ARGS"))})
		if err != nil {
			fmt.Println("error:", err)
			code = 1
		}
		fmt.Printf("ended with %d\n", code)
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// realCriu is the installed criu; a machine without one cannot run the test, and CI must.
func realCriu(t *testing.T) string {
	t.Helper()
	cannot := t.Skip
	if os.Getenv("CI") == "true" {
		cannot = t.Fatal
	}
	if os.Geteuid() != 0 {
		cannot("restoring needs root")
	}
	if os.Getenv("FASTCR_CRIU") == "" {
		if _, file, _, ok := runtime.Caller(0); ok {
			if own := filepath.Join(filepath.Dir(file), "../.tools/criu/bin/criu"); exists(own) {
				t.Setenv("FASTCR_CRIU", own)
			}
		}
	}
	criu, err := Find(context.Background())
	if err != nil {
		cannot(err)
	}
	return criu.Path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// program is a process that tests dump and restore.
type program struct {
	pid int
	img string
}

// dumped starts a script in a session of its own, waits for its file "ready", and has criu
// dump and kill it. The script's working directory is also where its files are.
func dumped(t *testing.T, criu, script string) (p program, dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	eventually(t, "the program is ready", func() bool { return exists(filepath.Join(dir, "ready")) })
	p = program{pid: cmd.Process.Pid, img: dump(t, criu, cmd.Process.Pid)}
	cmd.Wait()
	return p, dir
}

func dump(t *testing.T, criu string, pid int, args ...string) (img string) {
	t.Helper()
	img = t.TempDir()
	args = append([]string{"dump", "-t", strconv.Itoa(pid), "-D", img, "-v4", "-o", "dump.log"}, args...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, criu, args...).CombinedOutput(); err != nil {
		log, _ := os.ReadFile(filepath.Join(img, "dump.log"))
		t.Fatalf("criu dump: %v\n%s\n%s", err, out, log)
	}
	return img
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// children are the processes whose parent is this one.
func children(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, l := range lists {
		text, _ := os.ReadFile(l)
		for _, pid := range strings.Fields(string(text)) {
			found[pid] = true
		}
	}
	return found
}

func alive(pid int) bool { return unix.Kill(pid, 0) == nil }
