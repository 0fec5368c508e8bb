package freeze

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hold is the life of a second process that holds a target for a test:
// "STAGE PID". It prints "held" and never ends by itself.
func hold(verb string) {
	var stage string
	var pid int
	fmt.Sscan(verb, &stage, &pid)
	fail := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
	}
	switch stage {
	case "preparing":
		fmt.Println("held")
	case "partial", "unmounted":
		fail(remount(stage, pid))
	}
	h, err := Prepare(context.Background(), Options{Root: pid, Timeout: 5 * time.Second})
	fail(err)
	if stage == "frozen" || stage == "partial" {
		fail(h.Freeze())
	}
	if stage == "locked" || stage == "table" || stage == "kept" || stage == "killed" {
		fail(lockPackets(h, stage))
	}
	if stage == "repair" {
		fail(beginRepair(h))
	}
	if stage == "announced" {
		// As far as it gets before a cgroup is made.
		g := temporaryGroup("/", h.groups[0].origin, 1)
		fail(h.guardian.watch(g))
	}
	fmt.Println("held")
	for {
		unix.Pause()
	}
}

// holderCommand is such a process.
func holderCommand(stage string, pid int) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("FREEZE_TEST_HOLDER=%s %d", stage, pid))
	if stage == "partial" || stage == "unmounted" {
		cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	}
	return cmd
}

// remount changes, in a mount namespace of its own, where the hierarchy can be
// seen: nowhere, or only the cgroup above the one of pid.
func remount(stage string, pid int) error {
	ms, err := findMounts()
	if err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if stage == "partial" {
		name, err := cgroupOf(pid)
		if err != nil {
			return err
		}
		dir, err := ms.path(filepath.Dir(name))
		if err != nil {
			return err
		}
		if err := unix.Mount(dir, "/mnt", "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	for _, m := range ms {
		if err := unix.Unmount(m.dir, unix.MNT_DETACH); err != nil {
			return err
		}
	}
	return nil
}

// startHolder starts such a process.
func startHolder(t *testing.T, stage string, pid int) *exec.Cmd {
	t.Helper()
	cmd := holderCommand(stage, pid)
	out, err := cmd.StdoutPipe()
	must(t, err, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line := make([]byte, 256)
	n, err := out.Read(line)
	if err != nil || !strings.HasPrefix(string(line[:n]), "held\n") {
		t.Fatalf("holder of %d: %q %v", pid, line[:n], err)
	}
	return cmd
}

// guardianOf finds the guardian of a holder.
func guardianOf(t *testing.T, holder int) (guardian int) {
	t.Helper()
	eventually(t, "there is a guardian", func() bool {
		g := guardiansOf(t, holder)
		if len(g) == 1 {
			guardian = g[0]
		}
		return len(g) == 1
	})
	return guardian
}

// isBack waits until a tree runs where it was and the holder's cgroups are gone.
func isBack(t *testing.T, p *target, before string, holder int) {
	t.Helper()
	eventually(t, "it is moved back and thawed", func() bool { return cgroupNamed(t, p.pid) == before && !isFrozen(t, p.pid) })
	eventually(t, "the temporary cgroup is removed", func() bool {
		return !slices.ContainsFunc(cgroupsEverywhere(t), func(dir string) bool {
			return strings.HasPrefix(filepath.Base(dir), fmt.Sprintf("fastcr.%d.", holder))
		})
	})
	was := cpuTime(t, p.pid)
	eventually(t, "it runs", func() bool { return cpuTime(t, p.pid) != was })
}

func TestGuardianRescues(t *testing.T) {
	for _, whole := range []bool{false, true} {
		for _, stage := range []string{"prepared", "frozen", "announced"} {
			t.Run(fmt.Sprintf("%s/whole=%v", stage, whole), func(t *testing.T) {
				p := start(t, "busy", "2")
				if whole {
					enter(t, newCgroup(t, "rescue"), p.pid)
				}
				before := cgroupNamed(t, p.pid)
				holder := startHolder(t, stage, p.pid)
				guardian := guardianOf(t, holder.Process.Pid)
				if frozen := isFrozen(t, p.pid); frozen != (stage == "frozen") {
					t.Fatalf("frozen: %v", frozen)
				}
				must(t, holder.Process.Kill())
				isBack(t, p, before, holder.Process.Pid)
				eventually(t, "the guardian ends", func() bool { s, err := statOf(guardian); return err != nil || s.leaderDead() })
			})
		}
	}
}

// TestGuardianRescuesAnywhere kills the holder while it prepares, wherever that is.
func TestGuardianRescuesAnywhere(t *testing.T) {
	p := start(t, "busy", "1")
	before := cgroupNamed(t, p.pid)
	for range 20 {
		holder := startHolder(t, "preparing", p.pid)
		time.Sleep(time.Duration(rand.IntN(8000)) * time.Microsecond)
		must(t, holder.Process.Kill())
		holder.Wait()
		isBack(t, p, before, holder.Process.Pid)
	}
}

// TestGuardianOutlivesItsService: all of fastcr's own cgroup is killed at once.
func TestGuardianOutlivesItsService(t *testing.T) {
	p := start(t, "busy", "1")
	before := cgroupNamed(t, p.pid)
	service := newCgroup(t, "service")
	fd, err := unix.Open(service, unix.O_PATH|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	holder := holderCommand("frozen", p.pid)
	holder.SysProcAttr = &unix.SysProcAttr{UseCgroupFD: true, CgroupFD: fd}
	must(t, holder.Start())
	defer holder.Wait()
	eventually(t, "it is frozen", func() bool { return isFrozen(t, p.pid) })
	if err := os.WriteFile(service+"/cgroup.kill", []byte("1"), 0); errors.Is(err, os.ErrNotExist) {
		t.Skip("this kernel has no cgroup.kill")
	}
	isBack(t, p, before, holder.Process.Pid)
}

// TestPartOfTheHierarchy: fastcr sees only a bind mount of a part of it.
func TestPartOfTheHierarchy(t *testing.T) {
	stranger := start(t, "threads", "1")
	p := start(t, "busy", "1")
	sub := newCgroup(t, "partial") + "/sub"
	must(t, os.Mkdir(sub, 0o755))
	enter(t, sub, p.pid, stranger.pid)
	before := cgroupNamed(t, p.pid)
	holder := startHolder(t, "partial", p.pid)
	if now := cgroupNamed(t, p.pid); filepath.Dir(now) != before || !isFrozen(t, p.pid) || isFrozen(t, stranger.pid) {
		t.Fatalf("held in %s, was in %s", now, before)
	}
	must(t, holder.Process.Kill())
	isBack(t, p, before, holder.Process.Pid)
}

func TestNoHierarchy(t *testing.T) {
	p := start(t, "threads", "1")
	out, err := holderCommand("unmounted", p.pid).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(out), "cgroup v2: no hierarchy is mounted") {
		t.Fatalf("%q, %v", out, err)
	}
}

func TestGuardianKeepsToItself(t *testing.T) {
	p := start(t, "threads", "1")
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	defer w.Close()
	stray, err := unix.FcntlInt(w.Fd(), unix.F_DUPFD, 20) // survives an exec
	must(t, err)
	defer unix.Close(stray)
	h := prepare(t, p.pid)
	must(t, h.Freeze(), h.Thaw())
	pid := guardianOf(t, os.Getpid())
	if s, err := statOf(pid); err != nil || s.comm != guardianName {
		t.Errorf("it is called %q, %v", s.comm, err)
	}
	if sid, err := unix.Getsid(pid); err != nil || sid != pid {
		t.Errorf("session %d, %v", sid, err)
	}
	checkDescriptors(t, pid)
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		must(t, unix.Kill(pid, sig))
	}
	must(t, h.Freeze(), h.Thaw())
	if s, err := statOf(pid); err != nil || s.leaderDead() {
		t.Fatalf("it ended: %v", err)
	}
}

func TestNothingFreezesWithoutAGuardian(t *testing.T) {
	p := start(t, "threads", "1")
	h := prepare(t, p.pid)
	must(t, h.Freeze(), h.Thaw())
	must(t, unix.Kill(h.guardian.pid, unix.SIGKILL))
	eventually(t, "the freeze is refused", func() bool {
		err := h.Freeze()
		h.Thaw()
		return err != nil && strings.Contains(err.Error(), "guardian")
	})
	if readsFrozen(h.groups[0].dir) {
		t.Fatal("it is frozen")
	}
}

// TestGuardianDiesEarly: it is gone before it has answered.
func TestGuardianDiesEarly(t *testing.T) {
	p := start(t, "threads", "1")
	h := prepare(t, p.pid)
	must(t, unix.Kill(guardianOf(t, os.Getpid()), unix.SIGKILL))
	eventually(t, "the freeze is refused", func() bool {
		err := h.Freeze()
		h.Thaw()
		return err != nil
	})
}

// TestGuardianHasNoRoom: what it cannot note is refused, and never frozen.
func TestGuardianHasNoRoom(t *testing.T) {
	needRoot(t)
	ms, err := findMounts()
	must(t, err)
	g, err := startGuardian(ms)
	must(t, err)
	defer g.dismiss()
	long := &group{dir: "/" + strings.Repeat("x", 4000)}
	for n := range 1000 {
		if err := g.watch(long); err != nil {
			if n < 200 || !strings.Contains(err.Error(), "too many cgroups") {
				t.Fatalf("after %d: %v", n, err)
			}
			return
		}
	}
	t.Fatal("a million bytes were noted in less")
}

// checkDescriptors wants only a guardian's five.
func checkDescriptors(t *testing.T, guardian int) {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", guardian))
	must(t, err)
	if len(fds) < 5 {
		t.Errorf("it has %d descriptors", len(fds))
	}
	for _, fd := range fds {
		to, _ := os.Readlink(fd)
		switch n := filepath.Base(fd); {
		case len(n) == 1 && n < "3" && to == os.DevNull, n == "3" && strings.HasPrefix(to, "socket:"), n == "4" && strings.Contains(to, "pidfd"):
		default:
			t.Errorf("%s is %s", fd, to)
		}
	}
}

func BenchmarkFreeze(b *testing.B) {
	for _, kind := range []string{"threads", "busy"} {
		for _, n := range []int{1, 500} {
			if kind == "busy" && n > 1 {
				continue
			}
			b.Run(fmt.Sprintf("%s=%d", kind, n), func(b *testing.B) {
				h := prepare(b, start(b, kind, strconv.Itoa(n)).pid)
				var freeze, thaw []time.Duration
				for b.Loop() {
					t0 := time.Now()
					must(b, h.Freeze())
					t1 := time.Now()
					must(b, h.Thaw())
					t2 := time.Now()
					must(b, h.WaitThawed())
					freeze, thaw = append(freeze, t1.Sub(t0)), append(thaw, t2.Sub(t1))
				}
				report(b, "freeze", freeze)
				report(b, "thaw", thaw)
			})
		}
	}
}

// report adds a clock's median and 90th percentile, in microseconds.
func report(b *testing.B, name string, d []time.Duration) {
	slices.Sort(d)
	b.ReportMetric(float64(d[len(d)/2].Nanoseconds())/1e3, name+"-µs")
	b.ReportMetric(float64(d[len(d)*9/10].Nanoseconds())/1e3, name+"-p90-µs")
}

// BenchmarkPrepare is what comes before and after: the guardian, the moves.
func BenchmarkPrepare(b *testing.B) {
	for _, c := range [][]string{{"threads", "1"}, {"threads", "500"}, {"tree", "100"}} {
		b.Run(c[0]+"="+c[1], func(b *testing.B) {
			p := start(b, c...)
			var prepare, release []time.Duration
			for b.Loop() {
				t0 := time.Now()
				h, err := Prepare(context.Background(), Options{Root: p.pid})
				must(b, err)
				t1 := time.Now()
				must(b, h.Release())
				prepare, release = append(prepare, t1.Sub(t0)), append(release, time.Since(t1))
			}
			report(b, "prepare", prepare)
			report(b, "release", release)
		})
	}
}

// TestGuardianThawsWhileItsHolderIsStopped: the tree runs again, stays held, and the
// holder finds out.
func TestGuardianThawsWhileItsHolderIsStopped(t *testing.T) {
	for _, whole := range []bool{false, true} {
		t.Run(fmt.Sprintf("whole=%v", whole), func(t *testing.T) {
			p := start(t, "busy", "1")
			if whole {
				enter(t, newCgroup(t, "stopped"), p.pid)
			}
			before := cgroupNamed(t, p.pid)
			holder := startHolder(t, "frozen", p.pid)
			held := cgroupNamed(t, p.pid)
			time.Sleep(300 * time.Millisecond) // the guardian looks
			if !isFrozen(t, p.pid) {
				t.Fatal("thawed while its holder runs")
			}
			must(t, holder.Process.Signal(unix.SIGSTOP))
			eventually(t, "it is thawed", func() bool { return !isFrozen(t, p.pid) })
			if now := cgroupNamed(t, p.pid); now != held {
				t.Fatalf("moved to %s from %s", now, held)
			}
			must(t, holder.Process.Kill())
			isBack(t, p, before, holder.Process.Pid)
		})
	}
}

func TestStillFrozen(t *testing.T) {
	p := start(t, "busy", "1")
	h := prepare(t, p.pid)
	must(t, h.Freeze(), h.StillFrozen())
	must(t, os.WriteFile(h.groups[0].dir+"/cgroup.freeze", thawed, 0))
	if err := h.StillFrozen(); !errors.Is(err, ErrThawed) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", p.pid)) {
		t.Fatalf("got %v", err)
	}
	must(t, h.Thaw(), h.Freeze(), h.StillFrozen())
}
