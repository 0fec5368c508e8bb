// Package openloop sends requests at a fixed rate, whatever the answers take. A latency
// counts from the moment when a request was to be sent, not from when somebody was free to
// send it: a server that stands still for a while makes all requests of that while late,
// and no figure is lost by waiting (coordinated omission).
package openloop

import (
	"context"
	"fmt"
	"math"
	"runtime"
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
	load    *Load
	start   time.Duration // of CLOCK_MONOTONIC
	due     chan int64    // numbers of requests that nobody has sent yet
	until   atomic.Int64  // nothing is due after it: nanoseconds since the start
	ctx     context.Context
	cancel  context.CancelFunc
	pacer   sync.WaitGroup
	senders sync.WaitGroup
	mu      sync.Mutex
	points  []Point
	err     error
}

// backlog is how many requests the pacer hands out ahead of the clients. What does not fit is
// due all the same, and is handed out later.
const backlog = 1 << 10

// Start begins to send. A request that is due is sent by the first client that is free. A run
// has to be stopped before the next is started.
func (l *Load) Start(ctx context.Context) *Run {
	r := &Run{load: l, due: make(chan int64, backlog)}
	r.until.Store(math.MaxInt64)
	r.ctx, r.cancel = context.WithCancel(ctx)
	// One more than there are processors: the pacer keeps one of Go's while it sleeps in the kernel.
	if n := runtime.NumCPU() + 1; runtime.GOMAXPROCS(0) < n {
		runtime.GOMAXPROCS(n)
	}
	r.start = now()
	r.pacer.Go(r.pace)
	for _, c := range l.clients {
		r.senders.Go(func() { r.send(c) })
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

// Stop sends what is due by now and nothing more, waits for the answers, and returns all
// requests, or the first error that a client met. The wait ends with patience.
func (r *Run) Stop(patience time.Duration) ([]Point, error) {
	r.until.Store(int64(r.Elapsed()))
	late := time.AfterFunc(patience, r.cancel)
	r.pacer.Wait()
	close(r.due)
	r.senders.Wait()
	late.Stop()
	r.cancel()
	return r.points, r.err
}

// pace tells when requests are due. Go's own timers are exact to a millisecond, a thread that
// sleeps in the kernel to some ten microseconds; one that does it for all clients leaves them
// what they need of the processors.
func (r *Run) pace() {
	runtime.LockOSThread() // and is not unlocked: the thread ends, and its slack with it
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	for n := int64(0); ; n++ {
		at := time.Duration(n) * r.load.every
		sleepUntil(r.start + at)
		if int64(at) > r.until.Load() {
			return
		}
		select {
		case r.due <- n:
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *Run) send(c Client) {
	var mine []Point
	for n := range r.due {
		at := time.Duration(n) * r.load.every
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
	r.cancel() // nobody may be left to send what is due
}

func now() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano())
}

func sleepUntil(at time.Duration) {
	if at <= now() {
		return
	}
	ts := unix.NsecToTimespec(int64(at))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) == unix.EINTR {
	}
}
