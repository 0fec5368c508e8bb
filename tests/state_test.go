package tests

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSignals(t *testing.T) {
	runCase(t, Case{Name: "actions", Source: "sigactions"})
	runCase(t, Case{Name: "timers", Source: "timers"})
}

func TestProcess(t *testing.T) {
	for _, part := range []string{"limits", "identity", "user"} {
		runCase(t, Case{Name: part, Source: "process", Args: []string{part}})
	}
	runCase(t, Case{Name: "attributes", Source: "process", Args: []string{"attributes"},
		Ignore: []string{"personality"}}) // in the image, but criu's restore does not set it
}

func TestChroot(t *testing.T) {
	dirs := func(t *testing.T, r *Run) {
		if err := os.MkdirAll(filepath.Join(r.work, "root", "sub"), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	runCase(t, Case{Name: "chroot", Source: "process", Args: []string{"chroot"}, Dir: "root/sub", Setup: dirs})
}

func TestSeccomp(t *testing.T) {
	for _, kind := range []string{"strict", "kill", "threads"} {
		runCase(t, Case{Name: kind, Source: "seccomp", Args: []string{kind}})
	}
}
