package loader

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// timerSaid is what the timers child says of one timer.
type timerSaid struct {
	fastcr.POSIXTimer
	queued  int
	left    uint64
	overrun int32
}

func timersSaid(t *testing.T, pid int, said []string) (timers []timerSaid, itimers [3]fastcr.ITimer) {
	t.Helper()
	for _, line := range said {
		var s timerSaid
		if n, _ := fmt.Sscanf(line, "timer %d %d %d %d %x %d %d", &s.ID, &s.ClockID, &s.Signo, &s.Notify, &s.Sigval, &s.Interval, &s.queued); n == 7 {
			s.NotifyTID = pid // the process as a whole, or its only thread
			timers = append(timers, s)
		}
		var id, which int
		if n, _ := fmt.Sscanf(line, "deleted %d", &id); n == 1 {
			timers = slices.DeleteFunc(timers, func(s timerSaid) bool { return int(s.ID) == id })
		}
		if n, _ := fmt.Sscanf(line, "left %d %d %d", &id, &s.left, &s.overrun); n == 3 {
			for i := range timers {
				if int(timers[i].ID) == id {
					timers[i].left, timers[i].overrun = s.left, s.overrun
				}
			}
		}
		var it fastcr.ITimer
		if n, _ := fmt.Sscanf(line, "itimer %d %d %d", &which, &it.Interval, &it.Value); n == 3 {
			itimers[which] = it
		}
	}
	return timers, itimers
}

// since says whether a timer that had left before may have now left: it ran on,
// but never beyond the minute that a slow machine may need for a test.
func since(now, before uint64) bool {
	return now <= before && before-now < uint64(time.Minute)
}

func TestTimers(t *testing.T) {
	l := loaded(t)
	pid, said := startC(t, "timers")
	p := read(t, l, pid)
	timers, itimers := timersSaid(t, pid, said)
	if len(p.POSIXTimers) != len(timers) || len(timers) < 100 {
		t.Fatalf("%d timers, want %d", len(p.POSIXTimers), len(timers))
	}
	for _, want := range timers {
		i := slices.IndexFunc(p.POSIXTimers, func(got fastcr.POSIXTimer) bool { return got.ID == want.ID })
		if i < 0 {
			t.Errorf("no timer %d", want.ID)
			continue
		}
		checkTimer(t, p, p.POSIXTimers[i], want)
	}
	for i, want := range itimers {
		if got := p.ITimers[i]; got.Interval != want.Interval || !since(got.Value*1000, want.Value*1000) || got.Value == 0 {
			t.Errorf("itimer %d: %+v, want %+v", i, got, want)
		}
	}
	checkTimerQueues(t, p, timers)
}

func checkTimer(t *testing.T, p *fastcr.Process, got fastcr.POSIXTimer, want timerSaid) {
	t.Helper()
	value := got.Value
	ok := since(value, want.left)
	if want.Interval == uint64(10*time.Millisecond) { // goes round and round
		ok = value > 0 && value <= want.Interval
	}
	if !ok {
		t.Errorf("timer %d (clock %d): %v left, want %v", got.ID, got.ClockID, value, want.left)
	}
	if want.Notify&sigevNone != 0 {
		got.Signo, want.Signo = 0, 0 // the kernel does not keep it
	}
	got.Value, got.Overrun = 0, 0
	if got != want.POSIXTimer {
		t.Errorf("got  %+v\nwant %+v", got, want.POSIXTimer)
	}
}

// checkTimerQueues: every expired timer's signal is there once, where it
// belongs, and those of no timer are not.
func checkTimerQueues(t *testing.T, p *fastcr.Process, timers []timerSaid) {
	t.Helper()
	queues := map[bool][]fastcr.Siginfo{false: p.SharedPending, true: p.Threads[0].Pending}
	n := 0
	for _, want := range timers {
		if want.queued == 0 {
			continue
		}
		n++
		found := 0
		for _, info := range queues[want.Notify == sigevThreadID] {
			if int32(binary.NativeEndian.Uint32(info[siTimerID:])) != want.ID {
				continue
			}
			found++
			overrun := binary.NativeEndian.Uint32(info[siOverrun:])
			if binary.NativeEndian.Uint32(info[:]) != uint32(want.Signo) || binary.NativeEndian.Uint64(info[24:]) != want.Sigval ||
				binary.NativeEndian.Uint64(info[siPrivate:]) != 0 || info[ownerAt] != 0 {
				t.Errorf("timer %d: signal % x", want.ID, info)
			}
			if short := want.Interval == uint64(10*time.Millisecond); (overrun >= 3) != short {
				t.Errorf("timer %d: overrun %d", want.ID, overrun)
			}
		}
		if found != 1 {
			t.Errorf("timer %d: %d signals", want.ID, found)
		}
	}
	if all := len(queues[false]) + len(queues[true]); all != n {
		t.Errorf("%d signals are queued, want %d", all, n)
	}
}

// More timers and signals than one program call writes.
func TestManyTimers(t *testing.T) {
	l := loaded(t)
	pid, said := startC(t, "timers", "many")
	p := read(t, l, pid)
	timers, _ := timersSaid(t, pid, said)
	if len(p.POSIXTimers) != len(timers) || len(timers) != 400 {
		t.Fatalf("%d timers, want %d", len(p.POSIXTimers), len(timers))
	}
	seen := map[int32]bool{}
	for _, got := range p.POSIXTimers {
		if seen[got.ID] {
			t.Errorf("timer %d twice", got.ID)
		}
		seen[got.ID] = true
	}
	checkTimerQueues(t, p, timers)
}

// Queued signals of all senders, compared with what ptrace says.
func TestSharedPending(t *testing.T) {
	l := loaded(t)
	pid, _ := startC(t, "timers", "many")
	for i := range 300 {
		if err := queueProcessSignal(pid, 44, uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Kill(pid, unix.SIGALRM); err != nil {
		t.Fatal(err)
	}
	stop(t, pid)
	want, err := ptracePeekSiginfo(pid, peekShared)
	if err != nil {
		t.Fatal(err)
	}
	p := read(t, l, pid)
	if len(p.SharedPending) != len(want) || len(want) < 301 {
		t.Fatalf("%d signals, want %d", len(p.SharedPending), len(want))
	}
	for i := range want {
		for off := siPrivate; off < siPrivate+8; off++ {
			want[i][off] = 0
		}
		if p.SharedPending[i] != want[i] {
			t.Errorf("signal %d: % x, want % x", i, p.SharedPending[i], want[i])
		}
	}
}
