package loader

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// timerSignal is a queued signal that timer id owns.
func timerSignal(id int32) fastcr.Siginfo {
	kernel := make([]byte, 48)
	binary.NativeEndian.PutUint32(kernel, 34)
	binary.NativeEndian.PutUint32(kernel[siTimerID:], uint32(id))
	binary.NativeEndian.PutUint64(kernel[siPrivate:], 99)
	return queueEntry(kernel, 1)
}

func TestSettlePOSIXTimers(t *testing.T) {
	const began, read = 1000, 1500 // the look at the process, on CLOCK_MONOTONIC
	tests := []struct {
		name    string
		timer   processProcessTimer
		signal  bool
		handler uint64
		value   uint64
		kept    bool // the signal
		overrun uint32
	}{
		{name: "armed", timer: processProcessTimer{Status: timerArmed, Expires: 500, Now: 400}, value: 100},
		{name: "armed and due", timer: processProcessTimer{Status: timerArmed, Expires: 400, Now: 500}, value: 1},
		{name: "never set", timer: processProcessTimer{Now: 5000}},
		{name: "disarmed before it expired", timer: processProcessTimer{Expires: 9000, Now: 5000}},
		{name: "expired long ago", timer: processProcessTimer{Expires: 4000, Now: 5000}},
		{name: "expired and queued", timer: processProcessTimer{Expires: 4000, Now: 5000}, signal: true, kept: true},
		{name: "expired while the process was read", timer: processProcessTimer{Expires: 4900, Now: 5000}, value: 1},
		{name: "so did one whose signal is ignored", timer: processProcessTimer{Expires: 4900, Now: 5000}, handler: sigIGN},
		{name: "so did one that was queued", timer: processProcessTimer{Expires: 4900, Now: 5000}, signal: true, kept: true},
		{name: "a CPU clock stands still", timer: processProcessTimer{Clock: -6, Expires: 4900, Now: 5000}},
		{name: "queued after the timer was read", timer: processProcessTimer{Status: timerArmed, Expires: 500, Now: 400}, signal: true, kept: true},
		{
			name: "periodic, queued", signal: true, kept: true, value: 50, overrun: 9,
			timer: processProcessTimer{Status: timerPending, Expires: 4050, Now: 5000, Interval: 100, Overrun: -1},
		},
		{
			name: "periodic, queued while the process was read", signal: true, kept: true, value: 40,
			timer: processProcessTimer{Status: timerArmed, Expires: 5040, Now: 5000, Interval: 100, Overrun: -1},
		},
		{
			name: "periodic, expired since the queue was read", value: 1,
			timer: processProcessTimer{Status: timerPending, Expires: 4990, Now: 5000, Interval: 100},
		},
		{
			name: "periodic, its signal ignored", value: 50, handler: sigIGN,
			timer: processProcessTimer{Status: timerPending, Expires: 4050, Now: 5000, Interval: 100},
		},
		{
			name: "set anew after it was queued", signal: true, value: 300,
			timer: processProcessTimer{Status: timerArmed, Stale: 1, Expires: 5300, Now: 5000},
		},
		{name: "disarmed after it was queued", signal: true, timer: processProcessTimer{Stale: 1, Expires: 4000, Now: 5000}},
		{name: "notifies nobody", timer: processProcessTimer{Notify: sigevNone, Expires: 5300, Now: 5000}, value: 300},
		{name: "notifies nobody, expired", timer: processProcessTimer{Notify: sigevNone, Expires: 4300, Now: 5000}},
		{name: "notifies nobody, periodic", timer: processProcessTimer{Notify: sigevNone, Expires: 4350, Now: 5000, Interval: 100}, value: 50},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBuilder()
			b.began = began
			p := b.process(1)
			tt.timer.Id, tt.timer.Signo = 7, 34
			p.Sigactions[33].Handler = tt.handler
			if tt.signal {
				p.Threads = []*fastcr.Thread{{Pending: []fastcr.Siginfo{{1}, timerSignal(7)}}}
			}
			p.SharedPending = []fastcr.Siginfo{timerSignal(8)} // its timer was deleted
			u := b.unsettled(p)
			u.rec, u.timers = &processProcessRec{Ktime: read}, []*processProcessTimer{&tt.timer}
			b.settleProcesses()
			if got := p.POSIXTimers[0].Value; got != tt.value {
				t.Errorf("%d left, want %d", got, tt.value)
			}
			if len(p.SharedPending) != 0 {
				t.Errorf("a deleted timer's signal is kept")
			}
			if !tt.signal {
				return
			}
			queue := p.Threads[0].Pending
			if kept := len(queue) == 2; kept != tt.kept {
				t.Fatalf("kept %v, want %v", kept, tt.kept)
			}
			if !tt.kept {
				return
			}
			if got := binary.NativeEndian.Uint32(queue[1][siOverrun:]); got != tt.overrun {
				t.Errorf("overrun %d, want %d", got, tt.overrun)
			}
			if queue[1][ownerAt] != 0 || binary.NativeEndian.Uint64(queue[1][siPrivate:]) != 0 {
				t.Errorf("marks are left: % x", queue[1])
			}
		})
	}
}

func TestSettleIntervalTimers(t *testing.T) {
	const read = 1500
	handled := uint64(0x1000)
	tests := []struct {
		name    string
		timer   processProcessItimer
		queued  bool
		handler uint64
		want    fastcr.ITimer // microseconds
	}{
		{name: "never set", timer: processProcessItimer{Now: 5000}, handler: handled},
		{name: "armed", timer: processProcessItimer{Armed: 1, Expires: 3_005_000, Now: 5000, Interval: 2_000_000}, handler: handled,
			want: fastcr.ITimer{Interval: 2000, Value: 3000}},
		{name: "armed and due", timer: processProcessItimer{Armed: 1, Expires: 3000, Now: 5000}, handler: handled, want: fastcr.ITimer{Value: 1}},
		{name: "expired, its signal queued", timer: processProcessItimer{Expires: 4900, Now: 5000}, queued: true, handler: handled},
		{name: "periodic, its signal queued", timer: processProcessItimer{Expires: 1_000_000, Now: 6_000_000, Interval: 2_000_000}, queued: true, handler: handled,
			want: fastcr.ITimer{Interval: 2000, Value: 1000}},
		{name: "expired while the process was read", timer: processProcessItimer{Expires: 4900, Now: 5000}, handler: handled, want: fastcr.ITimer{Value: 1}},
		{name: "periodic, expired while the process was read", timer: processProcessItimer{Expires: 4900, Now: 5000, Interval: 2_000_000}, handler: handled,
			want: fastcr.ITimer{Interval: 2000, Value: 1}},
		{name: "ignored", timer: processProcessItimer{Expires: 4900, Now: 5000, Interval: 2_000_000}, handler: sigIGN},
		{name: "expired long ago", timer: processProcessItimer{Expires: 4000, Now: 5000}, handler: handled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBuilder()
			b.began = 1000
			p := b.process(1)
			p.Sigactions[unix.SIGALRM-1].Handler = tt.handler
			rec := &processProcessRec{Ktime: read}
			if tt.queued {
				rec.SharedPending = 1 << (unix.SIGALRM - 1)
			}
			rec.Itimers[unix.ITIMER_REAL] = tt.timer
			b.unsettled(p).rec = rec
			b.settleProcesses()
			if got := p.ITimers[unix.ITIMER_REAL]; got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if len(p.SharedPending) == 1 != tt.queued {
				t.Errorf("queue: %v", p.SharedPending)
			}
		})
	}
}

func TestForward(t *testing.T) {
	tests := []struct{ left, interval, next, periods int64 }{
		{5, 10, 5, 0}, {0, 10, 10, 1}, {-1, 10, 9, 1}, {-10, 10, 10, 2}, {-25, 10, 5, 3}, {-5, 0, 0, 0}, {5, 0, 5, 0},
	}
	for _, tt := range tests {
		if next, periods := forward(tt.left, tt.interval); next != tt.next || periods != tt.periods {
			t.Errorf("forward(%d, %d) = %d, %d; want %d, %d", tt.left, tt.interval, next, periods, tt.next, tt.periods)
		}
	}
}

func TestIgnored(t *testing.T) {
	p := &fastcr.Process{}
	p.Sigactions[unix.SIGUSR1-1].Handler = sigIGN
	p.Sigactions[unix.SIGCHLD-1].Handler = 0x1000
	for signo, want := range map[uint32]bool{
		0: true, 65: true, uint32(unix.SIGUSR1): true, uint32(unix.SIGUSR2): false, uint32(unix.SIGCHLD): false,
		uint32(unix.SIGURG): true, uint32(unix.SIGWINCH): true, uint32(unix.SIGCONT): true, 64: false,
	} {
		if got := ignored(p, signo); got != want {
			t.Errorf("signal %d: %v", signo, got)
		}
	}
}
