package loader

import (
	"encoding/binary"
	"math"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// Timers run on while their process is frozen: one may expire between the
// reading of the queue that its signal goes to and the reading of the timer.
// So both are looked at together, and an expiry becomes either a signal in a
// queue or a timer that is due at once; never both, never neither.

// unsettled is what of a process is finished when all records have been seen.
type unsettled struct {
	rec    *processProcessRec
	timers []*processProcessTimer
}

func (b *builder) unsettled(p *fastcr.Process) *unsettled {
	u := b.late[p]
	if u == nil {
		u = &unsettled{}
		b.late[p] = u
	}
	return u
}

// settleProcesses finishes queues and timers; the threads' queues are complete.
func (b *builder) settleProcesses() {
	for p, u := range b.late {
		if u.rec == nil {
			continue
		}
		p.SharedPending = withoutQueue(p.SharedPending, u.rec.SharedPending)
		s := settling{p: p, signals: timerSignals(p)}
		if b.began != 0 {
			s.window = int64(u.rec.Ktime) - b.began
		}
		for _, r := range u.timers {
			p.POSIXTimers = append(p.POSIXTimers, s.posixTimer(r))
		}
		s.intervalTimers(&u.rec.Itimers)
		eachQueue(p, dropUnclaimed)
	}
}

// A queue entry that a POSIX timer owns (SIGQUEUE_PREALLOC) carries a mark
// behind struct kernel_siginfo until its timer is found.
const ownerAt = 127

const (
	ownerNone = iota
	ownerTimer
	ownerClaimed
)

// queueEntry is one queued signal as it came from the kernel.
func queueEntry(kernel []byte, preallocated uint32) (info fastcr.Siginfo) {
	copy(info[:], kernel)
	if preallocated != 0 {
		info[ownerAt] = ownerTimer
	}
	return info
}

// Fields of a timer's struct kernel_siginfo.
const (
	siTimerID = 16
	siOverrun = 20
	siPrivate = 32 // the kernel's own, not seen by programs
)

func eachQueue(p *fastcr.Process, f func(q *[]fastcr.Siginfo)) {
	f(&p.SharedPending)
	for _, t := range p.Threads {
		f(&t.Pending)
	}
}

// timerSignals are the queued signals of POSIX timers by timer id.
func timerSignals(p *fastcr.Process) map[int32]*fastcr.Siginfo {
	m := map[int32]*fastcr.Siginfo{}
	eachQueue(p, func(q *[]fastcr.Siginfo) {
		for i := range *q {
			if info := &(*q)[i]; info[ownerAt] == ownerTimer {
				m[int32(binary.NativeEndian.Uint32(info[siTimerID:]))] = info
			}
		}
	})
	return m
}

// dropUnclaimed drops what the kernel would: signals of timers that have been
// deleted or set anew since.
func dropUnclaimed(q *[]fastcr.Siginfo) {
	*q = slices.DeleteFunc(*q, func(info fastcr.Siginfo) bool { return info[ownerAt] == ownerTimer })
	for i := range *q {
		if info := &(*q)[i]; info[ownerAt] == ownerClaimed {
			info[ownerAt] = ownerNone
			binary.NativeEndian.PutUint64(info[siPrivate:], 0)
		}
	}
}

// settling is the work on the timers of one process.
type settling struct {
	p       *fastcr.Process
	signals map[int32]*fastcr.Siginfo
	window  int64 // nanoseconds: what expired no longer ago did so while the process was read
}

// enum posix_timer_state
const (
	timerDisarmed = iota
	timerArmed
	timerPending
)

const (
	sigevNone     = 1
	sigevThreadID = 4

	atOnce       = 1   // nanoseconds
	collectsMost = 1e9 // nanoseconds, more than any Collect takes
)

func (s *settling) posixTimer(r *processProcessTimer) fastcr.POSIXTimer {
	t := fastcr.POSIXTimer{
		ID: r.Id, ClockID: r.Clock, Signo: r.Signo, Notify: r.Notify, NotifyTID: int(r.NotifyTid),
		Sigval: r.Sigval, Overrun: clampInt32(r.OverrunLast), Interval: uint64(max(r.Interval, 0)),
	}
	if r.Notify&^sigevThreadID == sigevNone {
		t.Value = unarmedLeft(r.Expires-r.Now, r.Interval)
		return t
	}
	var signal *fastcr.Siginfo
	if r.Stale == 0 {
		signal = s.signals[r.Id]
	}
	t.Value = s.posixLeft(r, signal != nil)
	if signal != nil {
		signal[ownerAt] = ownerClaimed
		_, periods := forward(r.Expires-r.Now, r.Interval)
		binary.NativeEndian.PutUint32(signal[siOverrun:], uint32(clampInt32(r.Overrun+periods)))
	}
	return t
}

// posixLeft is the time left, in nanoseconds; queued: the signal of the last expiry waits.
func (s *settling) posixLeft(r *processProcessTimer, queued bool) uint64 {
	left := r.Expires - r.Now
	armed := r.Status == timerArmed && !(queued && left < collectsMost)
	missed := !queued && !ignored(s.p, uint32(r.Signo))
	switch {
	case armed:
		return uint64(max(left, atOnce))
	case r.Interval > 0 && missed:
		return atOnce
	case r.Interval > 0:
		next, _ := forward(left, r.Interval)
		return uint64(next)
	case missed && s.justExpired(r.Clock, left):
		return atOnce
	}
	return 0
}

// justExpired says whether a timer that is not armed expired while the process
// was read. CPU clocks stand still meanwhile.
func (s *settling) justExpired(clock int32, left int64) bool {
	return clock >= 0 && left <= 0 && -left < s.window
}

// unarmedLeft is for a timer that notifies nobody: it has only its time.
func unarmedLeft(left, interval int64) uint64 {
	if left <= 0 && interval <= 0 {
		return 0
	}
	next, _ := forward(left, interval)
	return uint64(next)
}

// forward moves an expiry by whole intervals to the first one that is still to
// come: the nanoseconds to it, and how many intervals that took.
func forward(left, interval int64) (next, periods int64) {
	if left > 0 || interval <= 0 {
		return max(left, 0), 0
	}
	periods = -left/interval + 1
	return left + periods*interval, periods
}

func clampInt32(n int64) int32 { return int32(min(max(n, 0), math.MaxInt32)) }

// ignored says whether a signal that is not blocked would go nowhere.
func ignored(p *fastcr.Process, signo uint32) bool {
	if signo-1 >= uint32(len(p.Sigactions)) {
		return true
	}
	switch p.Sigactions[signo-1].Handler {
	case sigIGN:
		return true
	case sigDFL:
		s := unix.Signal(signo)
		return s == unix.SIGCHLD || s == unix.SIGCONT || s == unix.SIGWINCH || s == unix.SIGURG
	}
	return false
}

// intervalTimers are setitimer(2)'s.
func (s *settling) intervalTimers(r *[3]processProcessItimer) {
	for i := range r {
		t := &r[i]
		left := t.Expires - t.Now
		if t.Armed == 0 {
			left = 0
			if i == unix.ITIMER_REAL {
				left = s.realLeft(t)
			}
		} else {
			left = max(left, atOnce)
		}
		if left > 0 {
			s.p.ITimers[i] = fastcr.ITimer{Interval: microseconds(t.Interval), Value: microseconds(left)}
		}
	}
}

// realLeft is for a timer that has expired or was never set. The kernel starts
// it anew when the signal is taken from the queue: until then it does not run.
// After a signal that was ignored it never runs again.
func (s *settling) realLeft(t *processProcessItimer) int64 {
	left := t.Expires - t.Now
	queued := slices.ContainsFunc(s.p.SharedPending, func(info fastcr.Siginfo) bool {
		return binary.NativeEndian.Uint32(info[:]) == uint32(unix.SIGALRM)
	})
	switch {
	case queued && t.Interval > 0:
		next, _ := forward(left, t.Interval)
		return next
	case queued || ignored(s.p, uint32(unix.SIGALRM)):
		return 0
	case t.Interval > 0 || s.justExpired(unix.CLOCK_MONOTONIC, left):
		return atOnce
	}
	return 0
}

// microseconds rounds up: a timer that is armed stays armed.
func microseconds(ns int64) uint64 { return (uint64(ns) + 999) / 1000 }
