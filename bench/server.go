package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr/bench/openloop"
	"github.com/fastcr/fastcr/bench/servers"
)

// serverProgram is a server under load.
type serverProgram struct {
	*servers.Instance
}

func startServer(ctx context.Context, s *servers.Server) (program, error) {
	dir, err := os.MkdirTemp("", "fastcr-bench-server-") // a name that every server takes
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // the server may be another user
		return nil, err
	}
	i, err := s.Start(ctx, dir)
	if err != nil {
		if i != nil {
			(&serverProgram{i}).Close()
		}
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &serverProgram{i}, nil
}

func (p *serverProgram) Root() int { return p.PID }
func (p *serverProgram) Gone()     { <-p.Ended }

func (p *serverProgram) Flags() []string { return []string{"--tcp-established"} }

// Watch sends requests before, during and after f. The stall is the longest latency of a
// request that was due while f ran.
func (p *serverProgram) Watch(ctx context.Context, s *Sample, while time.Duration, f func() error) error {
	while = max(while, servedWhile)
	run := p.Load().Start(ctx)
	time.Sleep(while)
	from := run.Elapsed()
	err := f()
	to := run.Elapsed()
	time.Sleep(while)
	until := run.Elapsed()
	points, lost := run.Stop(patience)
	if err != nil {
		return err
	}
	if lost != nil {
		return fmt.Errorf("a client of %s: %w", p.Name, lost)
	}
	s.Latency = map[string]Latency{
		"before": latencies(points, warmUp(while), from), "during": latencies(points, from, to), "after": latencies(points, to, until),
	}
	s.CPUs = map[string]string{"server": allowedCPUs(p.PID), "clients": allowedCPUs(os.Getpid())}
	s.Began, s.Timeline = micros(from), timeline(points, until)
	s.Stall = s.Latency["during"].Max
	s.Slower = slower(points, from, to, while)
	return nil
}

// servedWhile is how long a server is asked at least before and after a dump: enough for quantiles.
const servedWhile = 200 * time.Millisecond

// warmUp is the part of the time before a dump in which clients wake up.
func warmUp(while time.Duration) time.Duration { return while / 4 }

// slower is how many fewer answers came in the while after the dump than in the while before it.
func slower(points []openloop.Point, from, to, while time.Duration) float64 {
	var before, after float64
	for _, p := range points {
		switch at := p.At + p.Latency; {
		case at >= from-while && at < from:
			before++
		case at >= to && at < to+while:
			after++
		}
	}
	if before == 0 {
		return 0
	}
	return 1 - after/before
}

// Sign is the first answer: the clients still have their connections.
func (p *serverProgram) Sign(ctx context.Context) func() error {
	return func() error {
		run := p.Load().Start(ctx)
		for n := p.Load().Done(); p.Load().Done() == n && !run.Failed() && run.Elapsed() < patience; {
			time.Sleep(20 * time.Microsecond)
		}
		_, err := run.Stop(patience)
		return err
	}
}

// Away is not known: its clients ask nothing meanwhile.
func (p *serverProgram) Away() float64 { return 0 }

// Check sends requests for a while: each answer is compared with what it should be.
func (p *serverProgram) Check(ctx context.Context) error {
	run := p.Load().Start(ctx)
	time.Sleep(100 * time.Millisecond)
	points, err := run.Stop(patience)
	if err != nil {
		return err
	}
	if len(points) == 0 {
		return fmt.Errorf("%s answers nothing", p.Name)
	}
	return p.Instance.Check(ctx)
}

// Close ends the clients and the server, all of its tree, and removes what it left.
func (p *serverProgram) Close() {
	if p.PID == 0 {
		return
	}
	p.Disconnect()
	pids := treeOf(p.PID)
	p.PID = 0
	for _, pid := range pids {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	awaitGone(pids)
	p.Clear()
	_ = os.RemoveAll(p.Dir)
}

// allowedCPUs are the processors that a process may use, as "0,1".
func allowedCPUs(pid int) string {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return ""
	}
	s, err := p.NewStatus()
	if err != nil {
		return ""
	}
	var list []string
	for _, c := range s.CpusAllowedList {
		list = append(list, strconv.FormatUint(c, 10))
	}
	return strings.Join(list, ",")
}
