package loader

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/xstate"
)

// stop attaches to every thread of pid with ptrace and stops it, until the test ends.
func stop(t *testing.T, pid int) []int {
	t.Helper()
	runtime.LockOSThread()
	var tids []int
	t.Cleanup(func() {
		for _, tid := range tids {
			letGo(tid)
		}
		runtime.UnlockOSThread()
	})
	for more := true; more; {
		more = false
		dir, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range dir {
			tid, err := strconv.Atoi(e.Name())
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(tids, tid) {
				continue
			}
			more = true // threads that ran may have made others
			if err := unix.PtraceSeize(tid); err != nil {
				t.Fatalf("seize %d: %v", tid, err)
			}
			tids = append(tids, tid)
			if err := unix.PtraceInterrupt(tid); err != nil {
				t.Fatalf("interrupt %d: %v", tid, err)
			}
			wait(t, tid)
		}
	}
	return tids
}

// letGo detaches from a thread, be it stopped or not, as a test that failed leaves it.
// One that stayed attached would, killed, wait for us, and its process for it, for ever.
func letGo(tid int) {
	if unix.PtraceDetach(tid) == nil || unix.PtraceInterrupt(tid) != nil {
		return
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(tid, &ws, unix.WALL, nil); err == nil && ws.Stopped() {
		_ = unix.PtraceDetach(tid)
	}
}

// wait waits for the stop that PTRACE_INTERRUPT makes; signals that come before (Go's
// runtime sends some to its threads) are delivered.
func wait(t *testing.T, tid int) {
	t.Helper()
	for {
		var ws unix.WaitStatus
		if _, err := unix.Wait4(tid, &ws, unix.WALL, nil); err != nil || !ws.Stopped() {
			t.Fatalf("wait for %d: %v, status %#x", tid, err, ws)
		}
		if uint32(ws)>>16 == unix.PTRACE_EVENT_STOP {
			return
		}
		if err := unix.PtraceCont(tid, int(ws.StopSignal())); err != nil {
			t.Fatalf("thread %d stopped by %v: %v", tid, ws.StopSignal(), err)
		}
	}
}

// read collects and decodes one process.
func read(t *testing.T, l *Loader, pid int) *fastcr.Process {
	t.Helper()
	tree, _ := readTree(t, l, pid)
	return tree.Processes[0]
}

// readTree returns the raw thread records too.
func readTree(t *testing.T, l *Loader, pids ...int) (*fastcr.Tree, map[int]*threadThreadRec) {
	t.Helper()
	s, err := l.NewSession(pids)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Collect(); err != nil {
		t.Fatal(err)
	}
	raw := map[int]*threadThreadRec{}
	err = s.each("thread", func(rec []byte) error {
		if recordType(rec) == recThread {
			r, _, err := view[threadThreadRec](rec)
			raw[int(r.Tid)] = r
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := s.Decode()
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Processes) != len(pids) {
		t.Fatalf("%d processes, not %d", len(tree.Processes), len(pids))
	}
	return tree, raw
}

func thread(t *testing.T, p *fastcr.Process, tid int) *fastcr.Thread {
	t.Helper()
	i := slices.IndexFunc(p.Threads, func(th *fastcr.Thread) bool { return th.TID == tid })
	if i < 0 {
		t.Fatalf("no thread %d", tid)
	}
	return p.Threads[i]
}

// ptraceRegs is PTRACE_GETREGS as our type.
func ptraceRegs(t *testing.T, tid int) fastcr.Regs {
	t.Helper()
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &r); err != nil {
		t.Fatal(err)
	}
	return fastcr.Regs{
		R15: r.R15, R14: r.R14, R13: r.R13, R12: r.R12, BP: r.Rbp, BX: r.Rbx, R11: r.R11, R10: r.R10, R9: r.R9, R8: r.R8,
		AX: r.Rax, CX: r.Rcx, DX: r.Rdx, SI: r.Rsi, DI: r.Rdi, OrigAX: r.Orig_rax, IP: r.Rip, CS: r.Cs, Flags: r.Eflags,
		SP: r.Rsp, SS: r.Ss, FSBase: r.Fs_base, GSBase: r.Gs_base, DS: r.Ds, ES: r.Es, FS: r.Fs, GS: r.Gs,
	}
}

func compareFPU(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	if len(got) != len(want) {
		t.Errorf("%s: FPU state has %d bytes, ptrace gives %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: FPU byte %d is %#x, ptrace gives %#x", what, i, got[i], want[i])
			return
		}
	}
}

// TestRegistersOf500Threads compares with PTRACE_GETREGS and PTRACE_GETREGSET.
func TestRegistersOf500Threads(t *testing.T) {
	l := loaded(t)
	c := startChild(t, "threads")
	tids := stop(t, c.pid)
	if len(tids) < 500 {
		t.Fatalf("child has %d threads", len(tids))
	}
	tree, raw := readTree(t, l, c.pid)
	p := tree.Processes[0]
	if len(p.Threads) != len(tids) {
		t.Fatalf("%d threads, not %d", len(p.Threads), len(tids))
	}
	if p.Threads[0].TID != c.pid {
		t.Errorf("first thread is %d, not the leader %d", p.Threads[0].TID, c.pid)
	}
	for _, tid := range tids {
		if got, want := decodeRegs(raw[tid]), ptraceRegs(t, tid); got != want {
			t.Errorf("thread %d: registers\n%+v, ptrace gives\n%+v", tid, got, want)
		}
		want, err := ptraceXstate(tid)
		if err != nil {
			t.Fatal(err)
		}
		compareFPU(t, fmt.Sprint("thread ", tid), thread(t, p, tid).FPU, want)
	}
}

// TestFPUStates sets patterns with ptrace and compares what comes back, before
// and after the CPU has loaded and saved them.
func TestFPUStates(t *testing.T) {
	l := loaded(t)
	c := child{pid: sleeper(t)}
	stop(t, c.pid)
	features := xstate.Machine().Features &^ (1<<17 | 1<<18) // AMX has to be asked for
	for _, bv := range []uint64{features, 0, 1, 2, 3, 4, 6, 7, 7 | features&0xe0, features &^ 1, features &^ 6} {
		bv &= features
		state, err := ptraceXstate(c.pid)
		if err != nil {
			t.Fatal(err)
		}
		fpuPattern(state, bv)
		if err := ptraceSetXstate(c.pid, state); err != nil {
			t.Fatalf("set features %#x: %v", bv, err)
		}
		for _, when := range []string{"as set", "after a run"} {
			want, err := ptraceXstate(c.pid)
			if err != nil {
				t.Fatal(err)
			}
			if bv&2 != 0 && want[200] == 0 {
				t.Errorf("features %#x %s: the pattern is not there", bv, when)
			}
			compareFPU(t, fmt.Sprintf("features %#x %s", bv, when), read(t, l, c.pid).Threads[0].FPU, want)
			if err := unix.PtraceCont(c.pid, 0); err != nil {
				t.Fatal(err)
			}
			if err := unix.PtraceInterrupt(c.pid); err != nil {
				t.Fatal(err)
			}
			wait(t, c.pid)
		}
	}
}

// fpuPattern fills what the features bv have in the standard format.
func fpuPattern(state []byte, bv uint64) {
	l := xstate.Machine()
	fill := func(from, to int) {
		for i := from; i < to; i++ {
			state[i] = byte(i*7) | 1
		}
	}
	binary.LittleEndian.PutUint64(state[xsaveHeader:], bv)
	if bv&xfeatureFP != 0 {
		fill(xsaveST, xsaveXMM)
		for i := range 8 { // the padding of each ST register
			clear(state[xsaveST+16*i+10 : xsaveST+16*i+16])
		}
	}
	if bv&xfeatureSSE != 0 {
		fill(xsaveXMM, xsavePad)
	}
	for _, i := range []int{2, 5, 6, 7} {
		if c := l.Components[i]; bv&(1<<i) != 0 {
			fill(int(c.Offset), int(c.Offset+c.Size))
		}
	}
}

func TestPendingSignals(t *testing.T) {
	l := loaded(t)
	c := startChild(t, "blocked")
	const n = 300 // more than one call writes
	for i := range n {
		if err := queueSignal(c.pid, c.tid, 34+i%30, uint64(i)<<32|7); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Tgkill(c.pid, c.tid, unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	stop(t, c.pid)
	want, err := ptracePeekSiginfo(c.tid, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := read(t, l, c.pid)
	th := thread(t, p, c.tid)
	if len(want) != n+1 || len(th.Pending) != n+1 {
		t.Fatalf("%d signals pending, ptrace gives %d, want %d", len(th.Pending), len(want), n+1)
	}
	for i := range want {
		if th.Pending[i] != want[i] {
			t.Errorf("signal %d: %x, ptrace gives %x", i, th.Pending[i], want[i])
		}
	}
	for _, th := range p.Threads {
		mask, err := ptraceSigmask(th.TID)
		if err != nil {
			t.Fatal(err)
		}
		if th.Blocked != mask {
			t.Errorf("thread %d blocks %#x, ptrace gives %#x", th.TID, th.Blocked, mask)
		}
	}
}

func TestSeccompFilters(t *testing.T) {
	l := loaded(t)
	c := startChild(t, "seccomp")
	stop(t, c.pid)
	tree, _ := readTree(t, l, c.pid)
	p := tree.Processes[0]
	if len(p.Threads) < 2 {
		t.Fatalf("%d threads", len(p.Threads))
	}
	for _, th := range p.Threads {
		if th.Seccomp.Mode != 2 || len(th.Seccomp.Filters) != len(childFilters) {
			t.Fatalf("thread %d: mode %d, %d filters", th.TID, th.Seccomp.Mode, len(th.Seccomp.Filters))
		}
		for i, f := range th.Seccomp.Filters {
			oldest := len(childFilters) - 1 - i
			prog, flags, err := ptraceSeccomp(th.TID, oldest)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(f.Prog, prog) || uint64(f.Flags) != flags || len(prog) != 8*childFilters[oldest] {
				t.Errorf("thread %d filter %d: %d bytes flags %d, ptrace gives %d bytes flags %d", th.TID, oldest, len(f.Prog), f.Flags, len(prog), flags)
			}
			if f != p.Threads[0].Seccomp.Filters[i] {
				t.Errorf("thread %d: filter %d is not shared", th.TID, oldest)
			}
		}
	}
}

func TestGroupsBeyondOneRecord(t *testing.T) {
	l := loaded(t)
	c := startChild(t, "groups")
	compareStatus(t, c, thread(t, read(t, l, c.pid), c.tid))
	if n := len(thread(t, read(t, l, c.pid), c.tid).Creds.Groups); n != childGroupCount {
		t.Errorf("%d groups, want %d", n, childGroupCount)
	}
}

func TestCredentialsOfEachThread(t *testing.T) {
	l := loaded(t)
	c := startChild(t, "creds")
	p := read(t, l, c.pid)
	for _, th := range p.Threads {
		compareStatus(t, c, th)
		head, size, err := robustList(th.TID)
		if err != nil {
			t.Fatal(err)
		}
		if th.RobustList != head || uint64(th.RobustListLen) != size {
			t.Errorf("thread %d: robust list %#x, %d bytes, the kernel says %#x, %d", th.TID, th.RobustList, th.RobustListLen, head, size)
		}
	}
	th := thread(t, p, c.tid)
	if th.Comm != "fifteen bytes !" || th.PdeathSig != 12 || th.Nice != 19 {
		t.Errorf("comm %q, pdeath signal %d, nice %d", th.Comm, th.PdeathSig, th.Nice)
	}
	if th.SigAltStack.SP == 0 || th.SigAltStack.Size != 1<<16 || th.SigAltStack.Flags != 1<<31 {
		t.Errorf("alternate stack %+v", th.SigAltStack)
	}
	if th.Creds.UID != 201 || th.Creds.EUID != 202 || th.Creds.SUID != 203 || th.Creds.FSUID != 202 {
		t.Errorf("credentials %+v", th.Creds)
	}
}

func TestRseqRegistration(t *testing.T) {
	l := loaded(t)
	pid := sleeper(t) // C library programs register
	stop(t, pid)
	want, err := ptraceRseq(pid)
	if err != nil {
		t.Fatal(err)
	}
	th := read(t, l, pid).Threads[0]
	if got := (rseqConf{ptr: th.Rseq.Ptr, size: th.Rseq.Len, sig: th.Rseq.Sig}); got != want || !th.Traced {
		t.Errorf("rseq %+v, ptrace gives %+v; traced: %v", got, want, th.Traced)
	}
}

// compareStatus compares a thread with its /proc/PID/task/TID/status.
func compareStatus(t *testing.T, c child, th *fastcr.Thread) {
	t.Helper()
	k := th.Creds
	var groups []string
	for _, g := range k.Groups {
		groups = append(groups, fmt.Sprint(g))
	}
	got := map[string]string{
		"Name":       th.Comm,
		"Uid":        fmt.Sprintf("%d\t%d\t%d\t%d", k.UID, k.EUID, k.SUID, k.FSUID),
		"Gid":        fmt.Sprintf("%d\t%d\t%d\t%d", k.GID, k.EGID, k.SGID, k.FSGID),
		"Groups":     strings.Join(groups, " "),
		"CapInh":     fmt.Sprintf("%016x", k.CapInh),
		"CapPrm":     fmt.Sprintf("%016x", k.CapPrm),
		"CapEff":     fmt.Sprintf("%016x", k.CapEff),
		"CapBnd":     fmt.Sprintf("%016x", k.CapBnd),
		"CapAmb":     fmt.Sprintf("%016x", k.CapAmb),
		"NoNewPrivs": map[bool]string{false: "0", true: "1"}[k.NoNewPrivs],
		"Seccomp":    fmt.Sprint(th.Seccomp.Mode),
		"SigBlk":     fmt.Sprintf("%016x", th.Blocked),
	}
	status := c.status(t, th.TID)
	want := map[string]string{}
	for key := range got {
		want[key] = status[key]
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("thread %d: got\n%v\n/proc says\n%v", th.TID, got, want)
	}
}

func TestNoStrayDescriptors(t *testing.T) {
	l := loaded(t)
	c := startChild(t, "seccomp")
	count := func() int {
		dir, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(dir)
	}
	before := count()
	s, err := l.NewSession([]int{c.pid})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Collect(); err != nil {
			t.Fatal(err)
		}
		if err := s.Rearm(); err != nil {
			t.Fatal(err)
		}
	}
	s.Drop([]int{c.pid})
	s.Close()
	s.Close()
	if after := count(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// interruptedThreads is what EachInterrupted says.
func interruptedThreads(t *testing.T, l *Loader, pid int) map[int]bool {
	t.Helper()
	s, err := l.NewSession([]int{pid})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Collect(); err != nil {
		t.Fatal(err)
	}
	tids := map[int]bool{}
	err = s.EachInterrupted(func(p, tid int) error {
		if p != pid {
			t.Errorf("thread %d of process %d", tid, p)
		}
		tids[tid] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tids
}

// asleep waits until none of the threads runs. A traced thread stops when a signal
// comes, as Go's runtime sends them to its own: it goes on then.
func asleep(t *testing.T, pid int, tids []int) {
	t.Helper()
	for range 1000 {
		time.Sleep(5 * time.Millisecond)
		awake := slices.ContainsFunc(tids, func(tid int) bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", pid, tid))
			if err != nil {
				t.Fatal(err)
			}
			state := stat[bytes.LastIndexByte(stat, ')')+2]
			if state == 't' {
				goOn(t, tid)
			}
			return state != 'S'
		})
		if !awake {
			return
		}
	}
	t.Fatal("some threads do not sleep")
}

// goOn lets a thread that has stopped for a signal have it.
func goOn(t *testing.T, tid int) {
	t.Helper()
	var ws unix.WaitStatus
	if got, err := unix.Wait4(tid, &ws, unix.WALL|unix.WNOHANG, nil); err != nil || got != tid || !ws.Stopped() {
		return
	}
	sig := 0
	if uint32(ws)>>16 != unix.PTRACE_EVENT_STOP {
		sig = int(ws.StopSignal())
	}
	if err := unix.PtraceCont(tid, sig); err != nil {
		t.Fatal(err)
	}
}

// fewInterrupted is the number of a call in which hardly all of its 100 threads were stopped, 0 if there is none.
func fewInterrupted(made map[uint64]int) uint64 {
	// futex with a span of time returns EINTR
	for _, nr := range []uint64{unix.SYS_PPOLL, sysNanosleep, unix.SYS_PAUSE, unix.SYS_EPOLL_WAIT, 1000 + sysFutex} {
		if made[nr] < 95 {
			return nr
		}
	}
	return 0
}

// TestInterruptedCalls: 500 threads are stopped in five kinds of call, twice,
// so that the second time sleeps are found in restart_syscall.
func TestInterruptedCalls(t *testing.T) {
	l := loaded(t)
	c := startChild(t, "threads")
	tids := stop(t, c.pid)
	for round, complete := 0, 0; complete < 2; round++ {
		tree, raw := readTree(t, l, c.pid)
		made := map[uint64]int{}
		mended := interruptedThreads(t, l, c.pid)
		for _, th := range tree.Processes[0].Threads {
			r := decodeRegs(raw[th.TID])
			if th.Restarted != mended[th.TID] {
				t.Errorf("thread %d: restarted %v, but EachInterrupted says %v", th.TID, th.Restarted, mended[th.TID])
			}
			if int64(r.OrigAX) < 0 || int64(r.AX) >= 0 || !th.Traced { // not traced: born since
				continue
			}
			switch {
			case th.Regs.IP == r.IP-2:
				made[th.Regs.AX]++
			case th.Regs.AX == neg(eINTR) && th.Regs.IP == r.IP:
				made[1000+sysFutex]++
			default:
				t.Errorf("thread %d: registers %+v became %+v", th.TID, r, th.Regs)
			}
		}
		if few := fewInterrupted(made); few == 0 {
			complete++
		} else if round == 10 { // where much else runs, some threads take their time
			t.Fatalf("call %d: fewer than 95 threads of 100, in all %v", few, made)
		}
		for _, tid := range tids {
			if err := unix.PtraceCont(tid, 0); err != nil {
				t.Fatal(err)
			}
		}
		asleep(t, c.pid, tids)
		for _, tid := range tids {
			if err := unix.PtraceInterrupt(tid); err != nil {
				t.Fatal(err)
			}
			wait(t, tid)
		}
	}
}
