package loader

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// startC compiles testdata/NAME.c, starts it in a directory of its own and
// returns its pid and what it says before "ready". All it forks are killed with it.
func startC(t testing.TB, name string, args ...string) (pid int, said []string) {
	t.Helper()
	needBPF(t)
	dir := t.TempDir()
	bin := filepath.Join(dir, name)
	if out, err := exec.Command("cc", "-O2", "-Wall", "-Werror", "-pthread", "-o", bin, "testdata/"+name+".c").CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	cmd := exec.Command(bin, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, pid := range childrenOf(cmd.Process.Pid) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for sc := bufio.NewScanner(out); sc.Scan(); said = append(said, sc.Text()) {
		if sc.Text() == "ready" {
			return cmd.Process.Pid, said
		}
	}
	t.Fatalf("%s is not ready: it said %q", name, said)
	return 0, nil
}

func childrenOf(pid int) (pids []int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, s := range strings.Fields(string(b)) {
		n, _ := strconv.Atoi(s)
		pids = append(pids, n)
	}
	return pids
}

// stat are the fields of /proc/PID/stat, numbered as in proc(5).
func stat(t testing.TB, pid int) map[int]uint64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := map[int]uint64{}
	for i, s := range strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:])) {
		n, err := strconv.ParseInt(s, 10, 64)
		u, _ := strconv.ParseUint(s, 10, 64)
		if m[i+3] = uint64(n); err != nil {
			m[i+3] = u
		}
	}
	return m
}

func TestProcess(t *testing.T) {
	l := loaded(t)
	pid, said := startC(t, "process")
	p := read(t, l, pid)
	for _, line := range said {
		var i int
		var a fastcr.Sigaction
		var m uint32
		if n, _ := fmt.Sscanf(line, "action %d %x %x %x %x", &i, &a.Handler, &a.Flags, &a.Restorer, &a.Mask); n == 5 && p.Sigactions[i-1] != a {
			t.Errorf("signal %d: %+v, want %+v", i, p.Sigactions[i-1], a)
		}
		if n, _ := fmt.Sscanf(line, "membarrier %d", &m); n == 1 && (p.Membarrier != m || m == 0) {
			t.Errorf("membarrier %#x, want %#x", p.Membarrier, m)
		}
	}
	if len(said) != 65 {
		t.Errorf("the process said %d lines", len(said))
	}
	for i, want := range p.Rlimits {
		var got unix.Rlimit
		if err := unix.Prlimit(pid, i, nil, &got); err != nil {
			t.Fatal(err)
		}
		if (fastcr.Rlimit{Cur: got.Cur, Max: got.Max}) != want {
			t.Errorf("rlimit %d: %+v, want %+v", i, want, got)
		}
	}
	if p.Umask != 0o135 || p.Personality != 0x0040000 || p.OOMScoreAdj != 321 || !p.ChildSubreaper || p.Comm != "process" {
		t.Errorf("umask %o, personality %#x, oom_score_adj %d, subreaper %v, comm %q", p.Umask, p.Personality, p.OOMScoreAdj, p.ChildSubreaper, p.Comm)
	}
	if p.LoginUID != uint32(procNumber(t, pid, "loginuid")) {
		t.Errorf("loginuid %d", p.LoginUID)
	}
	if p.ExitSignal != int(unix.SIGCHLD) || p.State != fastcr.TaskAlive || p.FilesID == 0 || p.FSID == 0 || p.SighandID == 0 || p.MMID == 0 {
		t.Errorf("got %+v", p)
	}
	checkMM(t, p)
	checkStat(t, p)
	checkNamespaces(t, p)
	checkPaths(t, p)
}

func procNumber(t testing.TB, pid int, name string) uint64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func checkMM(t *testing.T, p *fastcr.Process) {
	t.Helper()
	s, m := stat(t, p.PID), p.MM
	for field, got := range map[int]uint64{
		26: m.StartCode, 27: m.EndCode, 28: m.StartStack, 45: m.StartData, 46: m.EndData, 47: m.StartBrk,
		48: m.ArgStart, 49: m.ArgEnd, 50: m.EnvStart, 51: m.EnvEnd,
	} {
		if got != s[field] || got == 0 {
			t.Errorf("field %d of stat: %x, want %x", field, got, s[field])
		}
	}
	heap := slices.IndexFunc(p.VMAs, func(v fastcr.VMA) bool { return v.Start == m.StartBrk })
	if heap < 0 || m.Brk <= m.StartBrk || m.Brk > p.VMAs[heap].End {
		t.Errorf("brk %x after %x", m.Brk, m.StartBrk)
	}
	if m.Dumpable != 0 || !m.THPDisabled || len(m.AIO) != 0 {
		t.Errorf("dumpable %d, THP disabled %v, AIO %v", m.Dumpable, m.THPDisabled, m.AIO)
	}
	auxv, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", p.PID))
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for _, w := range m.Auxv {
		got = binary.NativeEndian.AppendUint64(got, w)
	}
	if string(got) != string(auxv) {
		t.Errorf("auxv %x, want %x", got, auxv)
	}
}

func checkStat(t *testing.T, p *fastcr.Process) {
	t.Helper()
	s := stat(t, p.PID)
	if p.PPID != int(s[4]) || p.PGID != int(s[5]) || p.SID != int(s[6]) || p.Flags != uint32(s[9]) || p.ExitSignal != int(s[38]) {
		t.Errorf("process %d: parent %d, group %d, session %d, flags %#x, exit signal %d; stat says %v", p.PID, p.PPID, p.PGID, p.SID, p.Flags, p.ExitSignal, s)
	}
}

func checkNamespaces(t *testing.T, p *fastcr.Process) {
	t.Helper()
	n := p.Namespaces
	for name, got := range map[string]uint32{
		"pid": n.PID, "pid_for_children": n.PIDForChildren, "net": n.Net, "ipc": n.IPC, "uts": n.UTS, "mnt": n.Mnt,
		"user": n.User, "cgroup": n.Cgroup, "time": n.Time, "time_for_children": n.TimeForChildren,
	} {
		link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", p.PID, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(link, fmt.Sprintf(":[%d]", got)) {
			t.Errorf("namespace %s: %d, want %s", name, got, link)
		}
	}
}

func checkPaths(t *testing.T, p *fastcr.Process) {
	t.Helper()
	for name, got := range map[string]fastcr.PathRef{"exe": p.Exe, "cwd": p.CWD, "root": p.Root} {
		link := fmt.Sprintf("/proc/%d/%s", p.PID, name)
		want, err := os.Readlink(link)
		if err != nil {
			t.Fatal(err)
		}
		text := got.Path
		if got.Deleted {
			text += deletedSuffix
		}
		if text != want || got.Deleted != (name == "cwd") || got.FSMagic == 0 || got.MntID != mountID(t, want, got.Deleted) {
			t.Errorf("%s: %+v, want %s", name, got, want)
		}
		var st unix.Stat_t
		if err := unix.Stat(link, &st); err != nil {
			t.Fatal(err)
		}
		compareStat(t, got, &st)
	}
}

// mountID is the id that fdinfo shows for a path, or for its directory.
func mountID(t *testing.T, path string, deleted bool) int32 {
	t.Helper()
	if deleted {
		path = filepath.Dir(path)
	}
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MNT_ID, &st); err != nil {
		t.Fatal(err)
	}
	return int32(st.Mnt_id)
}

func TestProcessStates(t *testing.T) {
	l := loaded(t)
	pid, said := startC(t, "tree")
	pids := make([]int, 5)
	if _, err := fmt.Sscanf(said[0], "children %d %d %d %d %d", &pids[0], &pids[1], &pids[2], &pids[3], &pids[4]); err != nil {
		t.Fatal(err)
	}
	tree, _ := readTree(t, l, append([]int{pid}, pids...)...)
	if tree.Processes[0].PID != pid {
		t.Fatalf("the root is %d", tree.Processes[0].PID)
	}
	by := map[int]*fastcr.Process{}
	for _, p := range tree.Processes {
		by[p.PID] = p
		checkStat(t, p)
	}
	for i, want := range []struct {
		state      fastcr.TaskState
		exit, stop uint32
		hasMM      bool
	}{
		{fastcr.TaskDead, 7 << 8, 0, false}, {fastcr.TaskDead, uint32(unix.SIGTERM), 0, false},
		{fastcr.TaskStopped, 0, uint32(unix.SIGTSTP), true}, {fastcr.TaskAlive, 0, 0, true}, {fastcr.TaskAlive, 0, 0, false},
	} {
		p := by[pids[i]]
		if p.State != want.state || p.ExitCode != want.exit || p.StopSignal != want.stop || (p.MM != nil) != want.hasMM {
			t.Errorf("child %d: state %d, exit code %#x, stop signal %d, address space %v; want %+v", i, p.State, p.ExitCode, p.StopSignal, p.MM, want)
		}
		if p.PPID != pid || p.Comm != "tree" {
			t.Errorf("child %d: parent %d, comm %q", i, p.PPID, p.Comm)
		}
	}
	if s := by[pids[0]]; s.SID != s.PID || s.PGID != s.PID {
		t.Errorf("a zombie's session %d, group %d", s.SID, s.PGID)
	}
	if n := len(by[pids[4]].Threads); n != 2 {
		t.Errorf("the leaderless process has %d threads", n)
	}
	if by[pids[3]].MMID == by[pid].MMID || by[pids[3]].FilesID == by[pid].FilesID {
		t.Error("parent and child share what fork copies")
	}
}

func TestMembarrierRegistrations(t *testing.T) {
	for state, want := range map[uint32]uint32{0: 0, 1: 0, 3: 1 << 4, 0xc: 1 << 2, 0xff: 1<<2 | 1<<4 | 1<<6 | 1<<8, 0x30: 1 << 6, 0xc0: 1 << 8} {
		if got := membarrierRegistrations(state); got != want {
			t.Errorf("%#x: %#x, want %#x", state, got, want)
		}
	}
}

func TestGate(t *testing.T) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	if got := parseGate(string(maps)); (got.Start != 0) != strings.Contains(string(maps), "[vsyscall]") {
		t.Errorf("got %+v", got)
	}
	want := fastcr.VMA{Start: 0xffffffffff600000, End: 0xffffffffff601000, Flags: fastcr.VMExec, Kind: fastcr.VMAVsyscall, Name: "[vsyscall]"}
	got := parseGate("1000-2000 r--p 00000000 00:00 0\nffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := parseGate("1000-2000 r--p 00000000 00:00 0\n"); got.Start != 0 {
		t.Errorf("got %+v", got)
	}
}
