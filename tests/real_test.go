package tests

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// target is the absolute path of a script in targets.
func target(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("targets", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRealPrograms dumps programs of the machine in the middle of real work;
// restored, they finish it with the right answer.
func TestRealPrograms(t *testing.T) {
	goroutines := filepath.Join(tools.tmp, "goroutines")
	if out, err := exec.Command("go", "build", "-o", goroutines, "./targets/goroutines").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range []Case{
		{Name: "bash pipeline", Command: []string{"bash", target(t, "pipeline.sh")}, Moving: true, Once: true},
		{Name: "python3 threads and subprocess", Command: []string{"python3", target(t, "work.py")}, Moving: true, Once: true},
		{Name: "sqlite3 transaction", Command: []string{"bash", target(t, "transaction.sh")}, DumpFlags: []string{"--file-locks"},
			RestoreFlags: []string{"--file-locks"}, Moving: true, Once: true},
		{Name: "Go with 50 goroutines", Command: []string{goroutines}, Moving: true, Once: true},
		{Name: "vim in a terminal", Command: []string{"python3", target(t, "editor.py")}, Moving: true, Once: true},
	} {
		runCase(t, c)
	}
}
