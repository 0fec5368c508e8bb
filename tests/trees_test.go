package tests

import (
	"path/filepath"
	"testing"
)

func TestTree(t *testing.T) {
	runCase(t, Case{Name: "sessions, groups, zombies, orphans", Source: "tree"})
}

func TestSharing(t *testing.T) {
	runCase(t, Case{Name: "descriptor tables", Source: "share"})
	// criu's restore gives every process a context of its own.
	runCase(t, Case{Name: "file system contexts", Source: "share", Args: []string{"fs"}, Refused: []string{"shares"}})
	runCase(t, Case{Name: "memory and signal handlers", Source: "share_vm", Refused: []string{"shares"}})
}

func TestBashJobs(t *testing.T) {
	script, err := filepath.Abs("targets/jobs.sh")
	if err != nil {
		t.Fatal(err)
	}
	runCase(t, Case{Name: "pipeline", Command: []string{"bash", script}, Moving: true})
}
