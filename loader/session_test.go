package loader

import (
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fastcr/fastcr"
)

// needBPF ends a test that cannot run here; in CI it must be able to.
func needBPF(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("needs root")
	}
	t.Skip("needs root")
}

// loaded is a Loader for the length of a test.
func loaded(t testing.TB) *Loader {
	t.Helper()
	needBPF(t)
	l, err := Load(Options{NoPins: true})
	if err != nil {
		t.Fatalf("load: %+v", err)
	}
	t.Cleanup(l.Close)
	return l
}

// sleeper is a child that sleeps until the test ends.
func sleeper(t testing.TB) int {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for {
		call, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/syscall")
		if err != nil {
			t.Fatal(err)
		}
		if nr, _, _ := strings.Cut(string(call), " "); nr == "230" || nr == "35" { // clock_nanosleep, nanosleep
			break
		}
		time.Sleep(time.Millisecond)
	}
	return cmd.Process.Pid
}

func TestSessionReadsProcess(t *testing.T) {
	l := loaded(t)
	a, b := sleeper(t), sleeper(t)
	s, err := l.NewSession([]int{a})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for round := range 2 {
		if round == 1 {
			if err := s.Rearm(); err != nil {
				t.Fatal(err)
			}
			if err := s.Add([]int{b}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Collect(); err != nil {
			t.Fatal(err)
		}
		tree, err := s.Decode()
		if err != nil {
			t.Fatal(err)
		}
		if len(tree.Processes) != round+1 {
			t.Fatalf("round %d: %d processes", round, len(tree.Processes))
		}
		for i, pid := range []int{a, b}[:round+1] {
			p := tree.Processes[i]
			if p.PID != pid || len(p.Threads) != 1 || p.Threads[0].TID != pid || p.Threads[0].Comm != "sleep" {
				t.Errorf("process %d: got %+v", pid, p)
			}
		}
	}
}

// A long stream read by another processor gives what it gives alone.
func TestCollectBeside(t *testing.T) {
	l := loaded(t)
	c := startChild(t, "threads")
	stop(t, c.pid)
	s, err := l.NewSession([]int{c.pid})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var trees [2]*fastcr.Tree
	for i := range trees {
		s.beside = i - 1
		if err := s.Collect(); err != nil {
			t.Fatal(err)
		}
		if trees[i], err = s.Decode(); err != nil {
			t.Fatal(err)
		}
		for _, th := range trees[i].Processes[0].Threads {
			th.RestartBlockLeft = 0 // time goes on
		}
		if err := s.Rearm(); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(trees[0], trees[1]) {
		t.Error("read beside the others, the tree is another")
	}
}
