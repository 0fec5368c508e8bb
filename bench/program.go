package bench

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// program is what is dumped: the synthetic one, or a server.
type program interface {
	Root() int
	// Watch measures what f, which dumps it, does to it; while is how long it is watched before and after.
	Watch(ctx context.Context, s *Sample, while time.Duration, f func() error) error
	// Sign is called when it has ended; what it returns waits for a sign of its new life.
	Sign(ctx context.Context) (wait func() error)
	// Away is for how many microseconds nothing of it ran, from its last sign to the first of its
	// new life; 0 if nobody knows. It is called right after Sign's function has returned.
	Away() float64
	// Check asks whether its memory, or its data, is as it was.
	Check(ctx context.Context) error
	// Gone waits until it has ended; so have all processes of its tree.
	Gone()
	Close()
	// Flags are options of criu's command line that a dump and a restore of it need.
	Flags() []string
}

// start starts a workload's program.
func (r *runner) start(ctx context.Context, w *Workload) (program, error) {
	if w.Server != nil {
		return startServer(ctx, w.Server)
	}
	return StartTarget(ctx, r.load, w)
}

func (t *Target) Root() int       { return t.PID }
func (t *Target) Flags() []string { return t.flags }
func (t *Target) Gone()           { <-t.ended }

// signPatience is how long a restored program may take to do anything.
const signPatience = 30 * time.Second

// Sign is a beat of its clock thread.
func (t *Target) Sign(ctx context.Context) func() error {
	n, at := t.beats(), time.Now()
	t.last = t.word(boardAt).Load()
	return func() error {
		for t.beats() == n {
			if time.Since(at) > signPatience || ctx.Err() != nil {
				return fmt.Errorf("restored pid %d does not go on", t.PID)
			}
			time.Sleep(10 * time.Microsecond)
		}
		return nil
	}
}

// Away goes by our clock: that of a restored program is set back by as much as it was away.
func (t *Target) Away() float64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil || t.last == 0 {
		return 0
	}
	return float64(uint64(now.Nano())-t.last) / 1000
}

// Watch compares the pace before and after f, and notes the longest gap in it.
func (t *Target) Watch(_ context.Context, s *Sample, while time.Duration, f func() error) error {
	before, calls := t.pace(while), t.word(boardInterrupted).Load()
	t.ResetGap()
	if err := f(); err != nil {
		return err
	}
	s.Stall, s.Interrupted = t.Gap(), float64(t.word(boardInterrupted).Load()-calls)
	s.CPUs = map[string]string{"target": allowedCPUs(t.PID), "dumper": allowedCPUs(os.Getpid())}
	if after := t.pace(while); before > 0 {
		s.Slower = 1 - after/before
	}
	return nil
}
