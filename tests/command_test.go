package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// fastcr runs the command and returns what it prints and its exit code.
func fastcr(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(tools.fastcr, args...)
	cmd.Dir = dir
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestHelp(t *testing.T) {
	needFastcr(t)
	for verb, words := range map[string][]string{
		"dump": {"--pid", "--tree", "--images-dir", "--work-dir", "--log-file", "--verbosity", "--shell-job", "--leave-running",
			"--leave-stopped", "--restart-calls", "--timeout", "--workers", "--memory-limit", "--display-stats", "--json",
			"--file-validation", "--link-remap", "--ghost-limit", "--file-locks", "--manage-cgroups", "--cgroup-root", "--cgroup-yard", "--external",
			"--action-script", "--pidfile", "-p,", "-t,", "-D,", "-W,", "-o,", "-v,", "-j,", "-R,", "-s,", "-l,"},
		"restore": {"--images-dir", "FASTCR_CRIU"},
		"check":   {"--json"},
		"version": {},
	} {
		for _, args := range [][]string{{verb, "--help"}, {verb, "-h"}, {"help", verb}} {
			out, errs, code := fastcr(t, "", args...)
			if code != 0 || errs != "" || !strings.HasPrefix(out, "Usage: fastcr "+verb) || !strings.Contains(out, "Example:\n  ") {
				t.Errorf("%v: exit code %d\n%s%s", args, code, out, errs)
			}
			for _, w := range words {
				if !strings.Contains(out, w) {
					t.Errorf("%v does not tell of %s", args, w)
				}
			}
		}
		if out, _, _ := fastcr(t, "", "--help"); !strings.Contains(out, "  "+verb+" ") {
			t.Errorf("fastcr --help does not tell of %s", verb)
		}
	}
}

func TestCommandLinesThatMakeNoSense(t *testing.T) {
	needFastcr(t)
	for args, word := range map[string]string{
		"":                              "Usage",
		"dmp":                           `"dmp"`,
		"dump":                          "--pid",
		"dump --pid":                    "pid",
		"dump --pid 1x":                 "1x",
		"dump --pid 1 stray":            `"stray"`,
		"dump --pid 1 --nonsense":       "--nonsense",
		"dump --pid 1 --ghost-limit 1Q": `"1Q"`,
		"dump --pid 1 --ghost-limit -1": `"-1"`,
		"dump --pid 1 --memory-limit 99999999999G": "99999999999G",
		"dump --pid 1 --timeout -1":                "timeout",
		"check --nonsense":                         "--nonsense",
		"version stray":                            "stray",
	} {
		out, errs, code := fastcr(t, "", strings.Fields(args)...)
		if code != 2 || out != "" || !strings.Contains(errs, word) {
			t.Errorf("fastcr %s: exit code %d, says %q, without %q", args, code, out+errs, word)
		}
	}
	pid := strconv.Itoa(sleeper(t, "sleep", "100"))
	for args, word := range map[string]string{
		"--manage-cgroups=maybe":     "maybe",
		"--file-validation checksum": "checksum",
		"--workers -1":               "-1",
		"-R -s":                      "exclude",
		"--restart-calls":            "--leave-running",
		"--external what":            "what",
	} {
		img := t.TempDir()
		refused(t, img, append([]string{"dump", "--pid", pid, "-D", img}, strings.Fields(args)...), word)
	}
}

// recorder is an action script that writes down what it is told, and fails at one action.
func recorder(t *testing.T, failsAt string) (path, record string) {
	t.Helper()
	dir := t.TempDir()
	path, record = filepath.Join(dir, "script"), filepath.Join(dir, "record")
	text := fmt.Sprintf("#!/bin/sh\necho $CRTOOLS_SCRIPT_ACTION $CRTOOLS_IMAGE_DIR $CRTOOLS_INIT_PID $(pwd) $(ls $CRTOOLS_IMAGE_DIR | grep -c inventory) >>%s\n"+
		"[ $CRTOOLS_SCRIPT_ACTION = %q ] && exit 7\nexit 0\n", record, failsAt)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path, record
}

func TestActionScripts(t *testing.T) {
	needFastcr(t)
	for failsAt, code := range map[string]int{"": 0, "pre-dump": 7, "post-dump": 7} {
		t.Run("fails at "+failsAt, func(t *testing.T) {
			top := t.TempDir()
			img, work := filepath.Join(top, "img"), filepath.Join(top, "work")
			for _, d := range []string{img, work} {
				if err := os.Mkdir(d, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			r := newRun(t, Case{Source: "counter"})
			r.start()
			r.before = r.look()
			pid := strconv.Itoa(r.pid)
			script, record := recorder(t, failsAt)
			out, errs, got := fastcr(t, top, "dump", "--pid", pid, "-D", "img", "-W", "work", "--action-script", script)
			if got != code || (code == 0) != (errs == "") || code != 0 && !strings.Contains(errs, failsAt) {
				t.Errorf("exit code %d, says %s%s", got, out, errs)
			}
			want := "pre-dump " + img + " " + pid + " " + work + " 0\n"
			if failsAt != "pre-dump" {
				want += "post-dump " + img + " " + pid + " " + work + " 1\n"
			}
			if b, err := os.ReadFile(record); err != nil || string(b) != want {
				t.Errorf("%v, the script was told %q, want %q", err, b, want)
			}
			if complete := exists(filepath.Join(img, "inventory.img")); complete != (failsAt != "pre-dump") {
				t.Errorf("images complete: %v", complete)
			}
			if code != 0 {
				isAsBefore(t, r, "after the script's refusal")
				r.verdict("live")
			}
		})
	}
}

func TestActionScriptThatIsNone(t *testing.T) {
	needFastcr(t)
	pid := strconv.Itoa(sleeper(t, "sleep", "100"))
	img := t.TempDir()
	refused(t, img, []string{"dump", "--pid", pid, "-D", img, "--action-script", "/nonexistent/script"}, "/nonexistent/script", "pre-dump")
}

func TestPidFileAndLog(t *testing.T) {
	needFastcr(t)
	pid := strconv.Itoa(sleeper(t, "sleep", "100"))
	img, work := t.TempDir(), t.TempDir()
	if out, errs, code := fastcr(t, "", "dump", "-t", pid, "-D", img, "-W", work, "-R", "-vv", "-o", "dump.log", "--pidfile", "pid"); code != 0 {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	if b, err := os.ReadFile(filepath.Join(work, "pid")); err != nil || string(b) != pid {
		t.Errorf("the pid file has %q, %v", b, err)
	}
	if now := names(work); !slices.Equal(now, []string{"dump.log", "pid", "stats-dump"}) {
		t.Errorf("the work directory has %v", now)
	}
	// A pid file that is there already is somebody else's.
	img2 := t.TempDir()
	refused(t, img2, []string{"dump", "-t", pid, "-D", img2, "-W", work, "--pidfile", "pid"}, "pid file", filepath.Join(work, "pid"))
	log, err := os.ReadFile(filepath.Join(work, "dump.log"))
	if err != nil || strings.Contains(string(log), "Error") {
		t.Errorf("log: %v, %s", err, log)
	}
	refused(t, img2, []string{"dump", "-t", pid, "-D", img2, "-o", "/nonexistent/log"}, "/nonexistent/log")
}

// A script that calls criu works with fastcr in its place.
func TestCriuCommandLine(t *testing.T) {
	needFastcr(t)
	pid := strconv.Itoa(sleeper(t, "sleep", "100"))
	top := t.TempDir()
	dump := func(img string, args ...string) (string, int) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(top, img), 0o700); err != nil {
			t.Fatal(err)
		}
		out, errs, code := fastcr(t, top, args...)
		return out + errs, code
	}
	out, code := dump("1", "dump", "--tree", pid, "--images-dir", "1", "--log-file", "dump.log", "--verbosity=4", "--timeout", "10",
		"--pidfile", "pid", "--no-default-config", "--display-stats", "--leave-running", "--freeze-cgroup", "/nowhere")
	if code != 0 || !strings.Contains(out, "Displaying dump stats:\nFreezing time: ") || !strings.Contains(out, "Memory pages written: ") {
		t.Errorf("exit code %d: %s", code, out)
	}
	for _, name := range []string{"dump.log", "pid", "stats-dump", "inventory.img"} {
		if _, err := os.Stat(filepath.Join(top, "1", name)); err != nil {
			t.Error(err)
		}
	}
	log, _ := os.ReadFile(filepath.Join(top, "1", "dump.log"))
	if !regexp.MustCompile(`(?m)^\(\d\d\.\d{6}\) .*Dumping finished successfully$`).Match(log) {
		t.Errorf("log: %s", log)
	}
	conf := filepath.Join(top, "conf")
	if err := os.WriteFile(conf, []byte("leave-running # both\nlog-file \"my log\"\nverbosity 4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := dump("2", "-t", pid, "-D", "2", "--config", conf, "dump"); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	if _, err := os.Stat(filepath.Join(top, "2", "my log")); err != nil {
		t.Error(err)
	}
	out, code = dump("3", "dump", "-t", pid, "-D", "3", "--config", conf, "--external", "tty[1:1]", "--pidfile", "/nonexistent/pid")
	log, _ = os.ReadFile(filepath.Join(top, "3", "my log"))
	if code != 1 || !regexp.MustCompile(`(?m)^\(\d\d\.\d{6}\) Error \(.*\): .*/nonexistent/pid`).Match(log) {
		t.Errorf("exit code %d: %s, log: %s", code, out, log)
	}
	if out, code := dump("4", "dump", "-t", pid, "-D", "4", "-R", "-vv"); code != 0 || !strings.Contains(out, ") dump: Dumping finished successfully") {
		t.Errorf("without a log file: exit code %d: %s", code, out)
	}
}

func TestResultLine(t *testing.T) {
	needFastcr(t)
	pid := sleeper(t, "sleep", "100")
	out, _, _ := fastcr(t, "", "dump", "--pid", strconv.Itoa(pid), "-D", t.TempDir(), "-R", "--json", "--workers", "1")
	var result struct {
		PIDs   []int            `json:"pids"`
		Pages  int              `json:"pages"`
		Frozen int              `json:"frozen_us"`
		Total  int              `json:"total_us"`
		Stages map[string]int64 `json:"stages_us"`
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || strings.Count(out, "\n") != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	if !slices.Equal(result.PIDs, []int{pid}) || result.Pages == 0 || result.Frozen == 0 || result.Total < result.Frozen {
		t.Errorf("%s", out)
	}
	for _, stage := range []string{"prepare", "freeze", "collect", "copy", "thaw", "encode", "sync"} {
		if _, there := result.Stages[stage]; !there {
			t.Errorf("no stage %s in %s", stage, out)
		}
	}
	out, _, _ = fastcr(t, "", "dump", "--pid", strconv.Itoa(pid), "-D", t.TempDir(), "-R", "--display-stats")
	if lines := strings.Split(out, "\n"); !strings.Contains(lines[0], "pid "+strconv.Itoa(pid)) || !strings.Contains(lines[0], "frozen") ||
		!strings.Contains(out, "Memory pages written") || !strings.Contains(out, "Freezing time") {
		t.Errorf("%s", out)
	}
}

func TestLeaveStopped(t *testing.T) {
	needFastcr(t)
	r := newRun(t, Case{Source: "counter"})
	r.start()
	r.before = r.look()
	r.dump("-s")
	if !eventually(5e9, func() bool { return stopped(r.pid) }) {
		t.Error("the target is not stopped")
	}
	killAll()
	r.ended()
	r.restore()
	r.verdict("restored")
}

// TestMemoryLimit has most pages stream into the image while the target is frozen.
func TestMemoryLimit(t *testing.T) {
	runCase(t, Case{Name: "1M", Source: "big", Args: []string{"24"}, DumpFlags: onlyFastcr("--memory-limit", "1M", "--workers", "3")})
}

// onlyFastcr are flags that criu does not have.
func onlyFastcr(flags ...string) []string {
	if tools.dumper == "criu" {
		return nil
	}
	return flags
}
