package loader

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// pinDir is a place for pins that is gone after the test.
func pinDir(t testing.TB) string {
	t.Helper()
	needBPF(t)
	parent := t.TempDir()
	if err := os.Chmod(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "bpf")
	t.Cleanup(func() {
		if err := unpin(dir); err != nil {
			t.Error(err)
		}
		if isBPFFS(dir) {
			t.Errorf("%s is still mounted", dir)
		}
	})
	return dir
}

func TestPinnedPrograms(t *testing.T) {
	dir := pinDir(t)
	c := startChild(t, "seccomp") // needs the second iterator and its cursor too
	for run := range 3 {
		l, err := Load(Options{pinDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if l.Pinned() != (run > 0) {
			t.Errorf("run %d: pinned %v", run, l.Pinned())
		}
		for _, th := range read(t, l, c.pid).Threads {
			if len(th.Seccomp.Filters) != len(childFilters) {
				t.Errorf("run %d: thread %d has %d filters", run, th.TID, len(th.Seccomp.Filters))
			}
		}
		l.Close()
	}
}

// Two first runs at the same time leave one set of pins in one bpffs.
func TestFirstRunsTogether(t *testing.T) {
	dir := pinDir(t) // fails if a second mount is left
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			l, err := Load(Options{pinDir: dir})
			if err != nil {
				t.Error(err)
				return
			}
			l.Close()
		})
	}
	wg.Wait()
	l := newLoader()
	if err := l.openPins(dir); err != nil {
		t.Error(err)
	}
	l.Close()
}

// Runs that share pinned programs do not see each other's cursors or scratch memory.
func TestPinsSharedByRuns(t *testing.T) {
	dir := pinDir(t)
	l, err := Load(Options{pinDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c := startChild(t, "threads")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			l, err := Load(Options{pinDir: dir})
			if err != nil || !l.Pinned() {
				t.Errorf("load: pinned %v, %v", err == nil && l.Pinned(), err)
				return
			}
			defer l.Close()
			for range 10 {
				checkOwnThreads(t, l, c.pid)
			}
		})
	}
	wg.Wait()
}

// checkOwnThreads reads pid and looks whether each record is whole.
func checkOwnThreads(t *testing.T, l *Loader, pid int) {
	s, err := l.NewSession([]int{pid})
	if err != nil {
		t.Error(err)
		return
	}
	defer s.Close()
	if err := s.Collect(); err != nil {
		t.Error(err)
		return
	}
	tree, err := s.Decode()
	if err != nil {
		t.Error(err)
		return
	}
	seen := map[uint64]bool{}
	for _, th := range tree.Processes[0].Threads {
		if th.Regs.SP == 0 || seen[th.Regs.FSBase] || th.Creds.CapBnd == 0 {
			t.Errorf("thread %d: %+v", th.TID, th.Regs)
		}
		seen[th.Regs.FSBase] = true
	}
}

func TestPinsOfOthersAreNotTrusted(t *testing.T) {
	dir := pinDir(t)
	l, err := Load(Options{pinDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	key, err := pinKey()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, key, sources[0].name)
	spoil := map[string]struct{ do, undo func() error }{
		"writable parent": {
			func() error { return os.Chmod(filepath.Dir(dir), 0o777) },
			func() error { return os.Chmod(filepath.Dir(dir), 0o700) },
		},
		"directory of another user": {
			func() error { return os.Chown(dir, 1000, 1000) },
			func() error { return os.Chown(dir, 0, 0) },
		},
		"program of another user": {
			func() error { return os.Chown(program, 1000, 1000) },
			func() error { return os.Chown(program, 0, 0) },
		},
	}
	for name, s := range spoil {
		if err := s.do(); err != nil {
			t.Fatal(err)
		}
		l := newLoader()
		if err := l.openPins(dir); !errors.Is(err, errUntrusted) {
			t.Errorf("%s: opened: %v", name, err)
		}
		l.Close()
		if err := s.undo(); err != nil {
			t.Fatal(err)
		}
	}
	l = newLoader()
	if err := l.openPins(dir); err != nil {
		t.Errorf("put right again: %v", err)
	}
	l.Close()
	if err := trusted(t.TempDir()); err == nil {
		t.Error("a directory that is no bpffs is trusted")
	}
}

// A pin directory that cannot be used costs time, not the dump.
func TestLoadWithoutPlaceForPins(t *testing.T) {
	needBPF(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Load(Options{pinDir: filepath.Join(file, "bpf")})
	if err != nil {
		t.Fatal(err)
	}
	if l.Pinned() {
		t.Error("pinned")
	}
	l.Close()
}

// The pins of the builds that were made last stay; older ones and what a killed run began go.
func TestPinsOfOtherBuilds(t *testing.T) {
	dir := pinDir(t)
	if err := makePinDir(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"build1", pinsInTheMaking + "1", "build2", "build3", "build4"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // the file system's clock ticks
	}
	l, err := Load(Options{pinDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	key, err := pinKey()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		if e.IsDir() {
			left = append(left, e.Name())
		}
	}
	slices.Sort(left)
	want := []string{key, "build2", "build3", "build4"}
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("pins: %v, want %v", left, want)
	}
}

func BenchmarkLoadPinned(b *testing.B) {
	dir := pinDir(b)
	for b.Loop() {
		l, err := Load(Options{pinDir: dir})
		if err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
}
