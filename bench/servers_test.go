package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fastcr/fastcr/bench/openloop"
	"github.com/fastcr/fastcr/bench/servers"
)

// TestMain is the Go server too, which the suite starts as its own program.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "serve" {
		var n [3]int
		for i, arg := range os.Args[2:] {
			n[i], _ = strconv.Atoi(arg)
		}
		fmt.Fprintln(os.Stderr, servers.Serve(context.Background(), n[0], n[1], n[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestServers starts every server that is installed, and has its clients check the answers.
func TestServers(t *testing.T) {
	for _, s := range servers.All() {
		t.Run(s.Name, func(t *testing.T) {
			if why := s.Missing(); why != "" {
				if os.Getenv("CI") == "true" {
					t.Fatal(why)
				}
				t.Skip(why) // scripts/setup-build test installs them
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
			if sample.CPUs["server"] == "" || sample.CPUs["clients"] == "" {
				t.Errorf("processors %v", sample.CPUs)
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

func TestServersOfOnesOwnSize(t *testing.T) {
	own, err := Choose(Workloads(20<<30), []string{"redis,mib=8,rate=100,clients=2"}, false)
	if err != nil || len(own) != 1 {
		t.Fatalf("%v, %v", own, err)
	}
	if s := own[0].Server; own[0].Name() != "redis,mib=8,rate=100,clients=2" || s.MiB != 8 || s.Rate != 100 || s.Clients != 2 {
		t.Errorf("%+v", s)
	}
	for _, bad := range []string{"redis,mib", "redis,mib=x", "redis,mib=0", "redis,threads=3"} {
		if _, err := Choose(nil, []string{bad}, false); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestAServerThatIsNotHereIsARow, not a failure and not nothing.
func TestAServerThatIsNotHereIsARow(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	s, err := servers.Sized("redis")
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{Plan: &Plan{Dumpers: []Dumper{{Name: "a"}, {Name: "b"}}}, res: &Results{}}
	if err := r.workload(t.Context(), &Workload{Server: s}); err != nil {
		t.Fatal(err)
	}
	if why := r.res.WhyNot("redis", "b"); why != "not possible: redis-server is not installed: scripts/setup-bench-servers installs it" {
		t.Errorf("%q", why)
	}
}

// TestReportOfServers has a timeline and the tails, of all rounds, beside the table of answers.
func TestReportOfServers(t *testing.T) {
	r := fabricated(1)
	r.Workloads = append(r.Workloads, WorkloadInfo{Name: "redis", Sweep: "servers"})
	for round := range 2 {
		var points []openloop.Point
		for ms := range 300 {
			points = append(points, openloop.Point{At: time.Duration(ms) * time.Millisecond, Latency: time.Duration(ms*round+1) * time.Millisecond})
		}
		at := func(from, to time.Duration) Latency {
			return latencies(points, from*time.Millisecond, to*time.Millisecond)
		}
		r.add(Sample{Workload: "redis", Dumper: "criu", Round: round + 1, Frozen: 1, Began: 100000, Timeline: timeline(points, 300*time.Millisecond),
			Latency: map[string]Latency{"before": at(0, 100), "during": at(100, 200), "after": at(200, 300)}})
	}
	h, err := r.during("redis", "criu")
	if err != nil || h.TotalCount() != 200 || h.Max() < 199000 || h.Max() > 201000 || h.Min() > 1001 {
		t.Errorf("%d requests, %v", h.TotalCount(), err)
	}
	var page, table bytes.Buffer
	if err := errors.Join(r.Report(&page), r.Table(&table, true)); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(page.String(), "<svg"); n != 3 {
		t.Errorf("%d plots", n)
	}
	for _, want := range []string{"redis: latency around a checkpoint", "redis: latency tails during it", "99 %"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if !strings.Contains(table.String(), "| redis | criu | during the dump |") {
		t.Errorf("no answers in\n%s", table.String())
	}
	r.Samples[len(r.Samples)-1].Latency["during"] = Latency{Requests: 1, Histogram: "nonsense"}
	if err := r.Report(&page); err == nil {
		t.Error("a broken histogram is drawn")
	}
}
