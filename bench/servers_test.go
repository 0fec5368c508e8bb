package bench

import (
	"testing"
	"time"

	"github.com/fastcr/fastcr/bench/openloop"
	"github.com/fastcr/fastcr/bench/servers"
)

// TestServers starts every server that is installed, and has its clients check the answers.
func TestServers(t *testing.T) {
	for _, s := range servers.All() {
		t.Run(s.Name, func(t *testing.T) {
			if s.Name == "go" {
				t.Skip("is part of fastcr-bench itself")
			}
			if why := s.Missing(); why != "" {
				t.Skip(why) // a gigabyte of servers is not asked of whoever runs the tests
			}
			small := *s
			small.MiB = min(s.MiB, 8)
			p, err := startServer(t.Context(), &small)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			var sample Sample
			if err := p.Watch(t.Context(), &sample, 50*time.Millisecond, func() error { time.Sleep(50 * time.Millisecond); return nil }); err != nil {
				t.Fatal(err)
			}
			if d := sample.Latency["during"]; d.Requests == 0 || d.Max < d.P50 || sample.Stall != d.Max {
				t.Errorf("latencies %+v, stall %v", sample.Latency, sample.Stall)
			}
			if err := p.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLatencies(t *testing.T) {
	var points []openloop.Point
	for ms := range 1000 {
		points = append(points, openloop.Point{At: time.Duration(ms) * time.Millisecond, Latency: 100 * time.Microsecond})
	}
	points[500].Latency = 20 * time.Millisecond
	l := latencies(points, 400*time.Millisecond, 600*time.Millisecond)
	if l.Requests != 200 || l.P50 < 99 || l.P50 > 101 || l.Max < 19900 || l.Max > 20100 {
		t.Errorf("%+v", l)
	}
	if line := timeline(points, time.Second); len(line) != 501 || line[250] != 20000 || line[100] != 100 {
		t.Errorf("%d steps: %v", len(line), line[248:253])
	}
	if s := slower(points, 400*time.Millisecond, 600*time.Millisecond, 300*time.Millisecond); s > 0.01 || s < -0.01 {
		t.Errorf("slower by %v", s)
	}
}
