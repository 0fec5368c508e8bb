// Package openloop sends requests at a fixed rate, whatever the answers take. A latency
// counts from the moment when a request was to be sent, not from when somebody was free to
// send it: a server that stands still for a while makes all requests of that while late,
// and no figure is lost by waiting (coordinated omission).
package openloop

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Client does one request after the other over a connection of its own.
type Client interface {
	Do(ctx context.Context) error
	Close() error
}

// Point is one request: when it was to be sent, since the start, and how long after that its
// answer had come.
type Point struct{ At, Latency time.Duration }

// Load is a number of clients that share a rate.
type Load struct {
	clients []Client
	every   time.Duration
	done    atomic.Uint64
}

// New shares perSecond requests among clients.
func New(clients []Client, perSecond float64) *Load {
	return &Load{clients: clients, every: time.Duration(float64(time.Second) / perSecond)}
}

// Done is how many requests were answered since New.
func (l *Load) Done() uint64 { return l.done.Load() }

// Close closes all clients.
func (l *Load) Close() {
	for _, c := range l.clients {
		_ = c.Close()
	}
}

// Run is a load that is being sent.
type Run struct {
	load   *Load
	start  time.Duration // of CLOCK_MONOTONIC
	next   atomic.Int64
	stop   atomic.Bool
	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup
	mu     sync.Mutex
	points []Point
	err    error
}

// Start begins to send. A run has to be stopped before the next is started.
func (l *Load) Start(ctx context.Context) *Run {
	r := &Run{load: l, start: now()}
	r.ctx, r.cancel = context.WithCancel(ctx)
	for _, c := range l.clients {
		r.wait.Go(func() { r.send(c) })
	}
	return r
}

// Elapsed is the time since the start, on the clock of Point.At.
func (r *Run) Elapsed() time.Duration { return now() - r.start }

// Failed tells whether a client has met an error.
func (r *Run) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err != nil
}

// Stop sends nothing more, waits for the answers that are due, and returns all requests, or
// the first error that a client met. The wait ends with patience.
func (r *Run) Stop(patience time.Duration) ([]Point, error) {
	r.stop.Store(true)
	late := time.AfterFunc(patience, r.cancel)
	r.wait.Wait()
	late.Stop()
	r.cancel()
	return r.points, r.err
}

func (r *Run) send(c Client) {
	var mine []Point
	for !r.stop.Load() {
		at := time.Duration(r.next.Add(1)-1) * r.load.every
		sleepUntil(r.start + at)
		if r.stop.Load() {
			break
		}
		if err := c.Do(r.ctx); err != nil {
			r.fail(fmt.Errorf("request due at %v: %w", at, err))
			break
		}
		r.load.done.Add(1)
		mine = append(mine, Point{at, now() - r.start - at})
	}
	r.mu.Lock()
	r.points = append(r.points, mine...)
	r.mu.Unlock()
}

func (r *Run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

func now() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano())
}

// sleepUntil is exact to some ten microseconds; Go's own timers are to a millisecond.
func sleepUntil(at time.Duration) {
	if at <= now() {
		return
	}
	ts := unix.NsecToTimespec(int64(at))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) == unix.EINTR {
	}
}
