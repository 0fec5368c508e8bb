package images

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestLeftoversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	left, mine := filepath.Join(dir, ".fastcr-1234"), filepath.Join(dir, "notes")
	for _, d := range []string{left, mine} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{filepath.Join(left, "pages-1.img"), filepath.Join(dir, ".fastcr-file")} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what a dead fastcr left is still there: %v", err)
	}
	second, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{mine, filepath.Join(dir, ".fastcr-file"), first.Temp(), second.Temp()} {
		if _, err := os.Stat(p); err != nil {
			t.Error(err)
		}
	}
	second.Abort()
	first.Abort()
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left: %v", entries)
	}
}

// TestTemporariesOfManyAtATime: nobody takes another's for a leftover.
func TestTemporariesOfManyAtATime(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 20 {
				d, err := Create(dir)
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(d.Temp(), "x"), nil, 0o600); err != nil {
					t.Error(err)
				}
				d.Abort()
			}
		}()
	}
	all.Wait()
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
}
