package freeze

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTargetsThatCannotBe(t *testing.T) {
	needRoot(t)
	zombie := start(t, "zombie")
	children, err := childrenOf(zombie.pid)
	must(t, err)
	threads := start(t, "threads", "2")
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", threads.pid))
	must(t, err)
	var tid int
	fmt.Sscan(tasks[1].Name(), &tid)
	headless := start(t, "headless")
	eventually(t, "the main thread ends", func() bool { s, err := statOf(headless.pid); return err == nil && s.leaderDead() })

	for _, c := range []struct {
		name string
		pid  int
		want error
	}{
		{"no such", 1 << 22, ErrNoProcess},
		{"negative", -1, ErrNoProcess},
		{"zero", 0, ErrNoProcess},
		{"kernel thread", 2, ErrKernelThread},
		{"itself", os.Getpid(), ErrSelf},
		{"ancestor", os.Getppid(), ErrSelf},
		{"thread", tid, ErrThread},
		{"zombie", children[0], ErrExited},
		{"without main thread", headless.pid, ErrLeaderExited},
	} {
		_, err := Prepare(context.Background(), Options{Root: c.pid, Timeout: time.Second})
		var te *TargetError
		if !errors.Is(err, c.want) || !errors.As(err, &te) || te.PID != c.pid {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.want == ErrThread && te.TGID != threads.pid {
			t.Errorf("thread of %d, want %d", te.TGID, threads.pid)
		}
		if !strings.Contains(err.Error(), fmt.Sprintf("pid %d", c.pid)) {
			t.Errorf("%s: the error does not name the pid: %v", c.name, err)
		}
	}
}

func TestCgroupThatHoldsExactlyTheTree(t *testing.T) {
	p := start(t, "zombie")
	dir := newCgroup(t, "exact")
	enter(t, dir, p.pid)
	name := cgroupNamed(t, p.pid)
	h := prepare(t, p.pid)
	if len(h.groups) != 1 || h.groups[0].dir != dir || h.groups[0].temporary {
		t.Fatalf("held in %+v", h.groups[0])
	}
	if len(h.Pids()) != 2 || h.OriginalCgroup(p.pid) != name {
		t.Fatalf("pids %v, cgroup %s", h.Pids(), h.OriginalCgroup(p.pid))
	}
	must(t, h.Freeze())
	if !isFrozen(t, p.pid) {
		t.Fatal("not frozen")
	}
	must(t, h.Release())
	if readsFrozen(dir) || cgroupNamed(t, p.pid) != name {
		t.Fatalf("frozen or moved: %s", cgroupNamed(t, p.pid))
	}
}

func TestCgroupsBelowHoldExactlyTheTree(t *testing.T) {
	p := start(t, "tree", "3")
	top := newCgroup(t, "nested")
	pids := listed(t, p.pid)
	for i, sub := range []string{"", "/a", "/b", "/b/c"} {
		must(t, os.MkdirAll(top+sub, 0o755))
		enter(t, top+sub, pids[i])
	}
	h := prepare(t, p.pid)
	if len(h.groups) != 1 || h.groups[0].dir != top || h.groups[0].temporary {
		t.Fatalf("held in %+v", h.groups[0])
	}
	if got := h.OriginalCgroup(pids[3]); filepath.Base(got) != "c" {
		t.Fatalf("original cgroup %s", got)
	}
	must(t, h.Freeze())
	members, err := h.Members()
	must(t, err)
	if slices.Sort(members); !slices.Equal(members, pids) {
		t.Fatalf("members %v, want %v", members, pids)
	}
}

func TestTreeInSeveralCgroups(t *testing.T) {
	stranger := start(t, "threads", "1")
	p := start(t, "tree", "3")
	pids := listed(t, p.pid)
	a, b := newCgroup(t, "a"), newCgroup(t, "b")
	enter(t, a, pids[0], stranger.pid)
	enter(t, b, pids[1])
	before := map[int]string{}
	for _, pid := range append(pids, stranger.pid) {
		before[pid] = cgroupNamed(t, pid)
	}
	h := prepare(t, p.pid)
	if len(h.groups) != 3 {
		t.Fatalf("%d groups", len(h.groups))
	}
	must(t, h.Freeze())
	for _, pid := range pids {
		if !isFrozen(t, pid) || h.OriginalCgroup(pid) != before[pid] || filepath.Dir(cgroupNamed(t, pid)) != before[pid] {
			t.Errorf("pid %d is in %s, original %s", pid, cgroupNamed(t, pid), h.OriginalCgroup(pid))
		}
	}
	if isFrozen(t, stranger.pid) || cgroupNamed(t, stranger.pid) != before[stranger.pid] {
		t.Errorf("the stranger was moved or frozen: %s", cgroupNamed(t, stranger.pid))
	}
	must(t, h.Release())
	for pid, name := range before {
		if now := cgroupNamed(t, pid); now != name {
			t.Errorf("pid %d is left in %s, was in %s", pid, now, name)
		}
	}
}

// TestForkingTreeInItsOwnCgroup: what is forked while the tree is listed belongs to it.
func TestForkingTreeInItsOwnCgroup(t *testing.T) {
	p := start(t, "forker")
	dir := newCgroup(t, "forking")
	enter(t, dir, p.pid)
	eventually(t, "its children are inside", func() bool {
		b, err := os.ReadFile(dir + "/cgroup.procs")
		must(t, err)
		return len(parsePids(nil, b)) > 1
	})
	// A child that is just being forked shows in the hierarchy's root for a moment: then the tree is moved.
	moved := 0
	for range 20 {
		h := prepare(t, p.pid)
		if h.groups[0].dir != dir {
			moved++
		}
		must(t, h.Freeze(), h.Release())
	}
	if moved > 5 {
		t.Errorf("moved %d of 20 times", moved)
	}
}

func TestCgroupLimitIsNamed(t *testing.T) {
	stranger := start(t, "threads", "1")
	p := start(t, "threads", "1")
	dir := newCgroup(t, "limit")
	enter(t, dir, p.pid, stranger.pid)
	must(t, os.WriteFile(dir+"/cgroup.max.descendants", []byte("0"), 0))
	_, err := Prepare(context.Background(), Options{Root: p.pid})
	if !errors.Is(err, unix.EAGAIN) || !strings.Contains(err.Error(), "cgroup.max") {
		t.Fatalf("got %v", err)
	}
}

// TestRootAloneIsNotTheTree: the root's cgroup holds nothing else, but its
// children are elsewhere.
func TestRootAloneIsNotTheTree(t *testing.T) {
	p := start(t, "tree", "2")
	enter(t, newCgroup(t, "alone"), p.pid)
	h := prepare(t, p.pid)
	must(t, h.Freeze())
	for _, pid := range h.Pids() {
		if !isFrozen(t, pid) {
			t.Errorf("pid %d runs", pid)
		}
	}
}

func TestFrozenAlready(t *testing.T) {
	p := start(t, "threads", "1")
	top := newCgroup(t, "frozen")
	must(t, os.Mkdir(top+"/sub", 0o755))
	enter(t, top+"/sub", p.pid)
	must(t, os.WriteFile(top+"/cgroup.freeze", frozen, 0))
	_, err := Prepare(context.Background(), Options{Root: p.pid, Timeout: time.Second})
	if !errors.Is(err, ErrFrozen) || !strings.Contains(err.Error(), filepath.Base(top)) {
		t.Fatalf("got %v", err)
	}
	if !readsFrozen(top) {
		t.Fatal("somebody else's frozen cgroup was thawed")
	}
	must(t, os.WriteFile(top+"/cgroup.freeze", thawed, 0))
}

func TestHeldAlready(t *testing.T) {
	for _, whole := range []bool{false, true} {
		t.Run(fmt.Sprintf("whole=%v", whole), func(t *testing.T) {
			p := start(t, "threads", "1")
			if whole {
				enter(t, newCgroup(t, "held"), p.pid)
			}
			h := prepare(t, p.pid)
			_, err := Prepare(context.Background(), Options{Root: p.pid, Timeout: 20 * time.Millisecond})
			if !errors.Is(err, ErrHeld) {
				t.Fatalf("got %v", err)
			}
			must(t, h.Freeze(), h.Release())
			must(t, prepare(t, p.pid).Release())
		})
	}
}

func TestThreadedCgroup(t *testing.T) {
	p := start(t, "threads", "3")
	domain := newCgroup(t, "threaded")
	threaded := domain + "/threads"
	must(t, os.Mkdir(threaded, 0o755), os.WriteFile(threaded+"/cgroup.type", []byte("threaded"), 0))
	enter(t, domain, p.pid)
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.pid))
	must(t, err, os.WriteFile(threaded+"/cgroup.threads", []byte(tasks[1].Name()), 0))
	inside := func() int {
		b, err := os.ReadFile(threaded + "/cgroup.threads")
		must(t, err)
		return len(parsePids(nil, b))
	}

	h := prepare(t, p.pid)
	must(t, h.Freeze())
	if m, err := h.Members(); err != nil || !slices.Equal(m, []int{p.pid}) {
		t.Fatalf("members %v, %v", m, err)
	}
	must(t, h.Release())

	stranger := start(t, "threads", "1")
	enter(t, domain, stranger.pid)
	_, err = Prepare(context.Background(), Options{Root: p.pid, Timeout: time.Second})
	if !errors.Is(err, ErrThreaded) {
		t.Fatalf("got %v", err)
	}
	if inside() != 1 {
		t.Fatal("the thread was moved")
	}
}

// TestThreadsBelowTheRoot: the hierarchy's root may be the domain of threaded cgroups.
func TestThreadsBelowTheRoot(t *testing.T) {
	p := start(t, "threads", "3")
	if cgroupNamed(t, p.pid) != "/" {
		t.Skip("the tests do not run in the hierarchy's root")
	}
	threaded := newCgroup(t, "rootthreads")
	must(t, os.WriteFile(threaded+"/cgroup.type", []byte("threaded"), 0))
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.pid))
	must(t, err, os.WriteFile(threaded+"/cgroup.threads", []byte(tasks[1].Name()), 0))
	defer os.WriteFile(topCgroup(t)+"/cgroup.threads", []byte(tasks[1].Name()), 0)
	_, err = Prepare(context.Background(), Options{Root: p.pid, Timeout: time.Second})
	if !errors.Is(err, ErrThreaded) {
		t.Fatalf("got %v", err)
	}
	must(t, prepare(t, start(t, "threads", "2").pid).Freeze())
}

func TestForkingTree(t *testing.T) {
	p := start(t, "forker")
	before := cgroupNamed(t, p.pid)
	h := prepare(t, p.pid)
	for range 20 {
		must(t, h.Freeze())
		members, err := h.Members()
		must(t, err, h.Thaw())
		if !slices.Contains(members, p.pid) {
			t.Fatalf("members %v", members)
		}
	}
	must(t, h.Release())
	if now := cgroupNamed(t, p.pid); now != before {
		t.Fatalf("left in %s", now)
	}
}

// TestTreeThatIsNotCaught: the time is over after the first pass.
func TestTreeThatIsNotCaught(t *testing.T) {
	p := start(t, "tree", "3")
	_, err := Prepare(context.Background(), Options{Root: p.pid, Timeout: 1})
	if !errors.Is(err, ErrForking) {
		t.Fatalf("got %v", err)
	}
	for _, pid := range listed(t, p.pid) {
		if IsTemporary(cgroupNamed(t, pid)) {
			t.Fatalf("pid %d is left in %s", pid, cgroupNamed(t, pid))
		}
	}
}

func TestPrepareObeysItsContext(t *testing.T) {
	p := start(t, "tree", "3")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Prepare(ctx, Options{Root: p.pid}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestChildrenWithoutTheKernelsList(t *testing.T) {
	p := start(t, "tree", "5")
	a, err := childrenOf(p.pid)
	must(t, err)
	b, err := scanParents()(p.pid)
	must(t, err)
	slices.Sort(a)
	slices.Sort(b)
	if len(a) != 5 || !slices.Equal(a, b) {
		t.Fatalf("%v by list, %v by scan", a, b)
	}
}

func TestReleaseAfterTheTargetWasKilled(t *testing.T) {
	p := start(t, "tree", "5")
	h := prepare(t, p.pid)
	must(t, h.Freeze())
	must(t, unix.Kill(-p.pid, unix.SIGKILL), h.Release())
}
