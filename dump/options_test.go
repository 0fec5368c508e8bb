package dump

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNormalizeFillsDefaults(t *testing.T) {
	o := Options{PID: 1}
	if err := o.normalize(); err != nil {
		t.Fatal(err)
	}
	if o.ImagesDir != "." || o.WorkDir != "." || o.Timeout != DefaultTimeout || o.GhostLimit != DefaultGhostLimit || o.Workers < 1 ||
		o.ManageCgroups != "soft" || o.FileValidation != "buildid" || o.MemoryLimit == 0 {
		t.Errorf("%+v", o)
	}
	o = Options{PID: 1, ImagesDir: "img", WorkDir: "work", Timeout: time.Second, GhostLimit: 7, Workers: 3, ManageCgroups: "full",
		FileValidation: "filesize", MemoryLimit: 9, LeaveRunning: true, RestartCalls: true}
	want := o.Workers
	if err := o.normalize(); err != nil || o.Workers != want || o.WorkDir != "work" || o.Timeout != time.Second || o.GhostLimit != 7 || o.MemoryLimit != 9 {
		t.Errorf("%v, %+v", err, o)
	}
}

func TestNormalizeRefuses(t *testing.T) {
	for word, o := range map[string]Options{
		"pid 0":              {},
		"pid -7":             {PID: -7},
		"--workers":          {PID: 1, Workers: 5000},
		"--manage-cgroups":   {PID: 1, ManageCgroups: "x"},
		"--file-validation":  {PID: 1, FileValidation: "x"},
		"exclude each other": {PID: 1, LeaveRunning: true, LeaveStopped: true},
		"--leave-running":    {PID: 1, RestartCalls: true},
	} {
		if err := o.normalize(); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%+v: %v, want %q", o, err, word)
		}
	}
}

func TestPidFile(t *testing.T) {
	dir := t.TempDir()
	o := Options{PID: 4711, WorkDir: dir, PidFile: "pid"}
	if err := o.writePidFile(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "pid")); err != nil || string(b) != "4711" {
		t.Errorf("%q, %v", b, err)
	}
	if err := o.writePidFile(); !errors.Is(err, os.ErrExist) {
		t.Errorf("over another: %v", err)
	}
	o.removePidFile()
	if _, err := os.Stat(filepath.Join(dir, "pid")); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
	if o.PidFile = ""; o.writePidFile() != nil {
		t.Error("no pid file was asked for")
	}
}

// TestLog has criu's line shape, and no line above the level that was asked for.
func TestLog(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	open := func(o Options) (*logger, error) { return (&run{opts: o, start: time.Now()}).openLog() }
	l, err := open(Options{LogFile: name, Verbosity: levelWarn})
	if err != nil {
		t.Fatal(err)
	}
	l.err("freeze", "pid %d: no", 7)
	l.warn("files", "hm\n")
	l.info("look", "not to be seen")
	l.close()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, _ := io.ReadAll(f)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "(00.0") || !strings.HasSuffix(lines[0], ") Error (freeze): pid 7: no") || !strings.HasSuffix(lines[1], ") Warn  (files): hm") {
		t.Errorf("%q", b)
	}
	if _, err := open(Options{LogFile: filepath.Join(name, "sub"), Verbosity: 1}); err == nil {
		t.Error("opened")
	}
	none, err := open(Options{Verbosity: 4})
	if err != nil {
		t.Fatal(err)
	}
	none.info("look", "nowhere")
	none.close()
}
