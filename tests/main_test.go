// Package tests starts real programs, dumps them, restores them with an unmodified criu
// and lets them judge themselves. README.md tells how a test program is written.
package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// tools are the programs that every test runs.
var tools struct {
	dumper string // "fastcr" or "criu": which program makes the dump
	fastcr string // path, empty when dumper is "criu"
	criu   string // path of the criu that restores
	tmp    string // built programs, removed at the end
}

func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "serve" {
		os.Exit(serve(os.Args[2:]))
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "tests: checkpoint and restore need root: run these tests as root")
		if os.Getenv("CI") == "true" {
			return 1
		}
		return 0
	}
	tmp, err := os.MkdirTemp("", "fastcr-tests-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests:", err)
		return 1
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil { // programs run as other users too
		fmt.Fprintln(os.Stderr, "tests:", err)
		return 1
	}
	tools.tmp = tmp
	if err := findTools(); err != nil {
		fmt.Fprintln(os.Stderr, "tests:", err)
		return 1
	}
	// Nothing that we were given by accident goes on to the programs.
	if err := unix.CloseRange(3, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		fmt.Fprintln(os.Stderr, "tests: close_range:", err)
		return 1
	}
	// What a test started and lost, and what criu restored, becomes our child: it can be
	// waited for, and a leak can be seen.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "tests: child subreaper:", err)
		return 1
	}
	return m.Run()
}

func findTools() error {
	var err error
	if tools.criu, err = findCRIU(); err != nil {
		return err
	}
	if _, err := exec.LookPath("cc"); err != nil {
		return fmt.Errorf("the test programs are C: install a compiler (cc): %w", err)
	}
	tools.dumper = "fastcr"
	if d := os.Getenv("FASTCR_DUMPER"); d == "criu" {
		tools.dumper = d
		return nil
	} else if d != "" {
		tools.fastcr, err = filepath.Abs(d)
		return err
	}
	tools.fastcr = filepath.Join(tools.tmp, "fastcr")
	out, err := exec.Command("go", "build", "-o", tools.fastcr, "../cmd/fastcr").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build ../cmd/fastcr: %w\n%s", err, out)
	}
	return nil
}

func findCRIU() (string, error) {
	if c := os.Getenv("FASTCR_CRIU"); c != "" {
		return exec.LookPath(c)
	}
	if c, err := filepath.Abs("../.tools/criu/bin/criu"); err == nil {
		if _, err := os.Stat(c); err == nil {
			return c, nil
		}
	}
	c, err := exec.LookPath("criu")
	if err != nil {
		return "", fmt.Errorf("no criu: run scripts/setup-criu or set FASTCR_CRIU: %w", err)
	}
	return c, nil
}

// programs caches what buildTarget compiled.
var programs sync.Map // source name → func() (string, error)

// buildTarget compiles targets/SOURCE.c once a run and returns the program's path.
func buildTarget(t *testing.T, source string) string {
	t.Helper()
	build, _ := programs.LoadOrStore(source, sync.OnceValues(func() (string, error) {
		out := filepath.Join(tools.tmp, source)
		src := filepath.Join("targets", source+".c")
		msg, err := exec.Command("cc", "-O2", "-Wall", "-Werror", "-pthread", "-o", out, src).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("compile %s: %w\n%s", src, err, msg)
		}
		return out, nil
	}))
	path, err := build.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
