package loader

import (
	"testing"

	"github.com/fastcr/fastcr"
)

// neg is an error number as ax holds it.
func neg(e int64) uint64 { return uint64(e) }

const ip = 0x401000 // just behind a system call instruction

func TestRestart(t *testing.T) {
	const (
		usr1 = 1 << 9
		chld = 1 << 16
	)
	plain := fastcr.Sigaction{Handler: 0x5000}
	restarting := fastcr.Sigaction{Handler: 0x5000, Flags: saRestart}
	tests := []struct {
		name      string
		regs      fastcr.Regs
		in        interrupted
		usr1      fastcr.Sigaction
		mode32    bool
		again     bool
		ax        uint64 // when not again
		restarted string
	}{
		{name: "read goes on", regs: fastcr.Regs{AX: neg(eRESTARTSYS)}, again: true},
		{name: "not in a call", regs: fastcr.Regs{AX: neg(eRESTARTSYS), OrigAX: neg(-1)}, ax: neg(eRESTARTSYS)},
		{name: "a result", regs: fastcr.Regs{AX: 17, OrigAX: 0}, ax: 17},
		{name: "an error", regs: fastcr.Regs{AX: neg(-11), OrigAX: 0}, ax: neg(-11)},
		{name: "futex without timeout", regs: fastcr.Regs{AX: neg(eRESTARTNOINTR), OrigAX: 202}, again: true},
		{name: "pause goes on", regs: fastcr.Regs{AX: neg(eRESTARTNOHAND), OrigAX: 34}, again: true},
		{
			name: "pause ends when a handler will run", regs: fastcr.Regs{AX: neg(eRESTARTNOHAND), OrigAX: 34},
			in: interrupted{pending: usr1}, usr1: restarting, ax: neg(eINTR),
		},
		{
			name: "pause goes on over an ignored signal", regs: fastcr.Regs{AX: neg(eRESTARTNOHAND), OrigAX: 34},
			in: interrupted{shared: chld}, usr1: plain, again: true,
		},
		{
			name: "read ends when a handler without SA_RESTART will run", regs: fastcr.Regs{AX: neg(eRESTARTSYS)},
			in: interrupted{shared: usr1}, usr1: plain, ax: neg(eINTR),
		},
		{
			name: "read goes on when the handler has SA_RESTART", regs: fastcr.Regs{AX: neg(eRESTARTSYS)},
			in: interrupted{shared: usr1}, usr1: restarting, again: true,
		},
		{
			name: "nointr goes on over any handler", regs: fastcr.Regs{AX: neg(eRESTARTNOINTR)},
			in: interrupted{pending: usr1}, usr1: plain, again: true,
		},
		{name: "epoll_wait", regs: fastcr.Regs{AX: neg(eINTR), OrigAX: 232}, again: true, restarted: "epoll_wait"},
		{name: "semop", regs: fastcr.Regs{AX: neg(eINTR), OrigAX: 65}, again: true, restarted: "semop"},
		{
			name: "epoll_wait that a signal ended", regs: fastcr.Regs{AX: neg(eINTR), OrigAX: 232},
			in: interrupted{pending: usr1}, usr1: plain, ax: neg(eINTR),
		},
		{name: "close is never repeated", regs: fastcr.Regs{AX: neg(eINTR), OrigAX: 3}, ax: neg(eINTR)},
		{name: "held by its tracer at the entry", regs: fastcr.Regs{AX: neg(eNOSYS), OrigAX: 1}, in: interrupted{traced: true}, again: true},
		{name: "no such call", regs: fastcr.Regs{AX: neg(eNOSYS), OrigAX: 999}, ax: neg(eNOSYS)},
		{
			name: "sleep whose remainder is its request", regs: fastcr.Regs{AX: neg(eRESTART_RESTARTBLOCK), OrigAX: sysNanosleep, DI: 0x7000, SI: 0x7000},
			again: true,
		},
		{
			name: "sleep that wants its remainder", regs: fastcr.Regs{AX: neg(eRESTART_RESTARTBLOCK), OrigAX: sysNanosleep, DI: 0x7000, SI: 0x7010},
			ax: neg(eINTR),
		},
		{
			name: "sleep that wants no remainder", regs: fastcr.Regs{AX: neg(eRESTART_RESTARTBLOCK), OrigAX: sysClockNanosleep, DX: 0x7000},
			again: true,
		},
		{
			name: "sleep when a handler will run", regs: fastcr.Regs{AX: neg(eRESTART_RESTARTBLOCK), OrigAX: sysNanosleep, DI: 0x7000, SI: 0x7000},
			in: interrupted{pending: usr1}, usr1: restarting, ax: neg(eINTR),
		},
		{name: "poll", regs: fastcr.Regs{AX: neg(eRESTART_RESTARTBLOCK), OrigAX: sysPoll}, again: true},
		{name: "futex until a point in time", regs: fastcr.Regs{AX: neg(eRESTART_RESTARTBLOCK), OrigAX: sysFutex, SI: 9 | 128}, again: true},
		{name: "futex for a span of time", regs: fastcr.Regs{AX: neg(eRESTART_RESTARTBLOCK), OrigAX: sysFutex, SI: 128}, ax: neg(eINTR)},
		{name: "32-bit read", regs: fastcr.Regs{AX: 0xfffffe00, OrigAX: 3}, mode32: true, again: true},
		{name: "32-bit EINTR", regs: fastcr.Regs{AX: 0xfffffffc, OrigAX: 0}, mode32: true, ax: 0xfffffffc},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var actions [64]fastcr.Sigaction
			actions[9] = tt.usr1
			tt.in.actions = &actions
			th := &fastcr.Thread{Regs: tt.regs, Mode32: tt.mode32}
			th.Regs.IP = ip
			want := th.Regs
			want.AX = tt.ax
			if tt.again {
				want.AX, want.IP = tt.regs.OrigAX, ip-2
			}
			restart(th, &tt.in)
			if th.Regs != want {
				t.Errorf("registers %+v, want %+v", th.Regs, want)
			}
			if th.Restarted != (tt.restarted != "") || th.SyscallWait != tt.restarted {
				t.Errorf("restarted %v %q, want %q", th.Restarted, th.SyscallWait, tt.restarted)
			}
		})
	}
}

// After a first freeze the kernel waits in restart_syscall.
func TestRestartOfRestartSyscall(t *testing.T) {
	tests := []struct {
		name  string
		regs  fastcr.Regs
		block restartBlock
		nr    uint64
	}{
		{"nanosleep", fastcr.Regs{DI: 0x7000, SI: 0x7000}, restartBlock{1 | 1<<32, 0x7000}, sysNanosleep},
		{"nanosleep without remainder", fastcr.Regs{DI: 0x7000}, restartBlock{1, 0xdead}, sysNanosleep},
		{"clock_nanosleep", fastcr.Regs{DI: 7, DX: 0x7000, R10: 0x7000}, restartBlock{7 | 1<<32, 0x7000}, sysClockNanosleep},
		{"clock_nanosleep of CLOCK_REALTIME", fastcr.Regs{DX: 0x7000}, restartBlock{}, sysClockNanosleep},
		{"poll", fastcr.Regs{DI: 0x7f0000007000, SI: 3, DX: 500}, restartBlock{0x7f0000007000, 3 | 1<<32}, sysPoll},
		{"poll that looks like a futex", fastcr.Regs{DI: 0x7f0000007000, SI: 9, DX: 9}, restartBlock{0x7f0000007000, 9 | 1<<32}, sysPoll},
		{"futex", fastcr.Regs{DI: 0x7f0000007000, SI: 9, DX: 5}, restartBlock{0x7f0000007000, 5 | 4<<32}, sysFutex},
		{"something else", fastcr.Regs{DI: 0x7f0000007000}, restartBlock{0x7f0000009000, 5}, sysRestartSyscall},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			th := &fastcr.Thread{Regs: tt.regs}
			th.Regs.IP, th.Regs.AX, th.Regs.OrigAX = ip, neg(eRESTART_RESTARTBLOCK), sysRestartSyscall
			restart(th, &interrupted{actions: new([64]fastcr.Sigaction), block: tt.block})
			if tt.nr == sysRestartSyscall {
				if th.Regs.AX != neg(eINTR) || th.Regs.IP != ip {
					t.Errorf("ax %#x, ip %#x, want EINTR", th.Regs.AX, th.Regs.IP)
				}
				return
			}
			if th.Regs.AX != tt.nr || th.Regs.IP != ip-2 {
				t.Errorf("ax %d, ip %#x, want call %d made again", th.Regs.AX, th.Regs.IP, tt.nr)
			}
		})
	}
}

func TestFixRseq(t *testing.T) {
	section := rseqCS{ptr: 0x9000, start: 0x1000, length: 0x20, abort: 0x2000}
	tests := []struct {
		name   string
		ip     uint64
		cs     rseqCS
		wantIP uint64
		wantCS uint64
	}{
		{"no section", 0x1000, rseqCS{}, 0x1000, 0},
		{"before it", 0xfff, section, 0xfff, 0},
		{"at its start", 0x1000, section, 0x2000, 0},
		{"at its last byte", 0x101f, section, 0x2000, 0},
		{"behind it", 0x1020, section, 0x1020, 0},
		{"one that signals do not abort", 0x1010, rseqCS{ptr: 0x9000, start: 0x1000, length: 0x20, abort: 0x2000, flags: rseqNoSignal}, 0x1010, 0x9000},
		{"of an unknown version", 0x1010, rseqCS{ptr: 0x9000, start: 0x1000, length: 0x20, abort: 0x2000, version: 1}, 0x1010, 0},
	}
	for _, tt := range tests {
		th := &fastcr.Thread{Regs: fastcr.Regs{IP: tt.ip}}
		fixRseq(th, &tt.cs)
		if th.Regs.IP != tt.wantIP || th.Rseq.CS != tt.wantCS {
			t.Errorf("%s: ip %#x, rseq_cs %#x, want %#x, %#x", tt.name, th.Regs.IP, th.Rseq.CS, tt.wantIP, tt.wantCS)
		}
	}
}

func TestSignalsWithoutQueueEntry(t *testing.T) {
	queued := fastcr.Siginfo{10, 0, 0, 0, 0, 0, 0, 0, 0xff}
	got := withoutQueue([]fastcr.Siginfo{queued}, 1<<9|1<<14)
	if len(got) != 2 || got[0] != queued || got[1] != (fastcr.Siginfo{15}) {
		t.Errorf("got %v", got)
	}
}
