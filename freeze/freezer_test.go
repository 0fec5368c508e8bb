package freeze

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestFreezeHoldsTheTree(t *testing.T) {
	p := start(t, "busy", "3")
	before := cgroupNamed(t, p.pid)
	h := prepare(t, p.pid)
	if got := h.OriginalCgroup(p.pid); got != before {
		t.Fatalf("original cgroup %q, want %q", got, before)
	}
	must(t, h.Freeze())
	was := cpuTime(t, p.pid)
	time.Sleep(20 * time.Millisecond)
	if now := cpuTime(t, p.pid); now != was {
		t.Fatalf("a frozen process ran: %s, then %s ns", was, now)
	}
	must(t, h.Thaw(), h.Thaw(), h.WaitThawed())
	eventually(t, "the process runs after the thaw", func() bool { return cpuTime(t, p.pid) != was })
	must(t, h.Freeze(), h.WaitFrozen(), h.Release(), h.Release())
	if after := cgroupNamed(t, p.pid); after != before {
		t.Fatalf("cgroup %q after the release, was %q", after, before)
	}
	if err := h.Freeze(); err == nil {
		t.Fatal("a released hold was frozen")
	}
}

func TestMembersAreTheTree(t *testing.T) {
	const children = 700 // cgroup.procs is longer than the kernel's page
	p := start(t, "tree", strconv.Itoa(children))
	h := prepare(t, p.pid)
	if h.Pids()[0] != p.pid || len(h.Pids()) != 1+children {
		t.Fatalf("%d pids, the first is %d", len(h.Pids()), h.Pids()[0])
	}
	must(t, h.Freeze())
	members, err := h.Members()
	must(t, err)
	want := slices.Sorted(slices.Values(h.Pids()))
	if got := slices.Sorted(slices.Values(members)); !slices.Equal(got, want) {
		t.Fatalf("%d members, want %d: %v", len(got), len(want), got)
	}
}

func TestMembersShowForks(t *testing.T) {
	p := start(t, "onfork")
	h := prepare(t, p.pid)
	must(t, unix.Kill(p.pid, unix.SIGUSR1))
	child, err := strconv.Atoi(p.line(t))
	must(t, err, h.Freeze())
	members, err := h.Members()
	must(t, err)
	if !slices.Contains(members, child) || slices.Contains(h.Pids(), child) {
		t.Fatalf("child %d, members %v, pids %v", child, members, h.Pids())
	}
	if got, want := h.OriginalCgroup(child), h.OriginalCgroup(p.pid); got != want {
		t.Fatalf("the child's original cgroup is %q, its parent's %q", got, want)
	}
	must(t, h.Release())
	if got := cgroupNamed(t, child); got != h.OriginalCgroup(p.pid) {
		t.Fatalf("the child is left in %q", got)
	}
}

func TestCgroupsMadeInsideAreFollowed(t *testing.T) {
	p := start(t, "tree", "2")
	before := cgroupNamed(t, p.pid)
	h := prepare(t, p.pid)
	sub := h.groups[0].dir + "/sub"
	must(t, os.Mkdir(sub, 0o755), os.Mkdir(sub+"/sub", 0o755))
	enter(t, sub, h.Pids()[1])
	enter(t, sub+"/sub", h.Pids()[2])
	must(t, h.Freeze())
	members, err := h.Members()
	must(t, err)
	if len(members) != 3 {
		t.Fatalf("members %v, tree %v", members, h.Pids())
	}
	must(t, h.Release())
	for _, pid := range listed(t, p.pid) {
		if got := cgroupNamed(t, pid); got != before {
			t.Errorf("pid %d is left in %q", pid, got)
		}
	}
}

func TestFrozenWindowAllocatesNothing(t *testing.T) {
	p := start(t, "tree", "20")
	h := prepare(t, p.pid)
	var err error
	allocs := testing.AllocsPerRun(20, func() {
		_, err := h.Members()
		if e := errors.Join(h.Freeze(), h.WaitFrozen(), err, h.Thaw(), h.WaitThawed()); e != nil {
			t.Fatal(e)
		}
	})
	if allocs > 0 {
		t.Fatalf("%v allocations", allocs)
	}
	// A freeze that takes longer goes through poll(2); only the error is new.
	h.opts.Timeout = 3 * spin
	if n := testing.AllocsPerRun(3, func() { err = h.WaitFrozen() }); n > 1 {
		t.Fatalf("%v allocations while waiting in poll", n)
	}
	var late *TimeoutError
	if !errors.As(err, &late) {
		t.Fatalf("got %v", err)
	}
}

func TestStuckTaskIsNamed(t *testing.T) {
	p := start(t, "stuck")
	eventually(t, "the task sleeps", func() bool { s, err := statOf(p.pid); return err == nil && s.state == 'D' })
	h := prepare(t, p.pid)
	h.opts.Timeout = 100 * time.Millisecond
	err := h.Freeze()
	var late *TimeoutError
	if !errors.As(err, &late) || len(late.Tasks) != 1 {
		t.Fatalf("got %v", err)
	}
	if s := late.Tasks[0]; s.PID != p.pid || s.TID != p.pid || s.Comm != "target" || s.State != "D" || s.Wchan == "" {
		t.Fatalf("got %+v", s)
	}
	if h.groups[0].frozen || isFrozen(t, p.pid) {
		t.Fatal("left frozen")
	}
}

// TestVforkParentFreezes: such a parent sleeps uninterruptibly too, but the
// kernel counts it as frozen.
func TestVforkParentFreezes(t *testing.T) {
	p := start(t, "vfork")
	h := prepare(t, p.pid)
	if len(h.Pids()) != 3 {
		t.Fatalf("tree %v", h.Pids())
	}
	must(t, h.Freeze())
	// One that has just frozen may still be on its way off the processor.
	eventually(t, "nobody is taken for stuck", func() bool { return len(stuckTasks(h.Pids())) == 0 })
}

func TestRootThatExitsIsNoticed(t *testing.T) {
	p := start(t, "threads", "1")
	h := prepare(t, p.pid)
	must(t, unix.Kill(p.pid, unix.SIGKILL))
	eventually(t, "the root exits", func() bool { return exited(h.rootFD) })
	if err := h.Freeze(); !errors.Is(err, ErrExited) {
		t.Fatalf("got %v", err)
	}
	must(t, h.Release())
}

func TestStopSurvivesTheThaw(t *testing.T) {
	p := start(t, "tree", "2")
	h := prepare(t, p.pid)
	must(t, h.Freeze(), h.Stop(), h.Release())
	for _, pid := range listed(t, p.pid) {
		eventually(t, "it is stopped", func() bool { s, err := statOf(pid); return err == nil && s.state == 'T' })
	}
}

func TestKill(t *testing.T) {
	for _, kind := range [][]string{{"tree", "5"}, {"zombie"}, {"busy", "4"}} {
		for _, whole := range []bool{false, true} {
			t.Run(kind[0]+map[bool]string{true: "/whole", false: "/moved"}[whole], func(t *testing.T) {
				p := start(t, kind...)
				if whole {
					enter(t, newCgroup(t, "kill"), listed(t, p.pid)...)
				}
				h := prepare(t, p.pid)
				if h.groups[0].temporary == whole {
					t.Fatalf("held in %s", h.groups[0].dir)
				}
				must(t, h.Freeze(), h.Kill())
				// Nobody waits for the root: it stays a zombie.
				if s, err := statOf(p.pid); err != nil || s.state != 'Z' {
					t.Fatalf("state %c, %v", s.state, err)
				}
				if m, err := h.Members(); err != nil || len(m) > 0 {
					t.Fatalf("still there: %v, %v", m, err)
				}
				must(t, h.Release())
			})
		}
	}
}

// TestKillWithoutCgroupKill is the way of kernels before 5.14.
func TestKillWithoutCgroupKill(t *testing.T) {
	p := start(t, "tree", "5")
	h := prepare(t, p.pid)
	unix.Close(h.groups[0].killer)
	h.groups[0].killer = -1
	must(t, h.Freeze(), h.Kill(), h.Release())
}

func TestKillSparesStrangers(t *testing.T) {
	stranger := start(t, "threads", "1")
	p := start(t, "tree", "1")
	dir := newCgroup(t, "strangers")
	enter(t, dir, listed(t, p.pid)...)
	h := prepare(t, p.pid)
	must(t, h.Freeze())
	if m, err := h.Members(); err != nil || len(m) != 2 {
		t.Fatalf("members %v, %v", m, err)
	}
	enter(t, dir, stranger.pid)
	must(t, h.Kill(), h.Release())
	if s, err := statOf(stranger.pid); err != nil || s.leaderDead() {
		t.Fatalf("the stranger was killed: state %c, %v", s.state, err)
	}
	if readsFrozen(dir) {
		t.Fatal("the stranger is left frozen")
	}
}
