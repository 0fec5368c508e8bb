package dump_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastcr/fastcr/bench"
	"github.com/fastcr/fastcr/dump"
)

// BenchmarkDump dumps programs that go on, images on a tmpfs, and reports the medians of
// the frozen time and of every stage.
func BenchmarkDump(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root")
	}
	load, err := bench.Build(context.Background(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for _, args := range []string{
		"", "mib=64", "mib=1024", "mib=64,huge=1", "threads=100", "threads=1000", "vmas=10000",
		"fds=1000", "fds=5000", "fds=5000,kinds=10", "procs=10", "procs=100",
	} {
		w := bench.Workload{Args: strings.FieldsFunc(args, func(r rune) bool { return r == ',' })}
		b.Run(strings.ReplaceAll(w.Name(), ",", "/"), func(b *testing.B) { benchDump(b, load, &w) })
	}
}

func benchDump(b *testing.B, load string, w *bench.Workload) {
	target, err := bench.StartTarget(context.Background(), load, w)
	if err != nil {
		b.Fatal(err)
	}
	defer target.Close()
	dir, err := os.MkdirTemp("/dev/shm", "fastcr-bench-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	times := map[string][]time.Duration{}
	for b.Loop() {
		// Whether a workload has connections or not: it costs nothing where there are none.
		res, err := dump.Dump(context.Background(), dump.Options{PID: target.PID, ImagesDir: dir, LeaveRunning: true, TCPEstablished: true})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		s := &res.Stages
		for name, took := range map[string]time.Duration{
			"frozen": res.Frozen, "prepare": s.Prepare, "freeze": s.Freeze, "collect": s.Collect, "copy": s.Copy,
			"thaw": s.Thaw, "encode": s.Encode, "sync": s.Sync,
		} {
			times[name] = append(times[name], took)
		}
		clearDir(b, dir)
		b.StartTimer()
	}
	for name, all := range times {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1000, name+"-µs")
	}
}

func clearDir(b *testing.B, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Remove(dir + "/" + e.Name()); err != nil {
			b.Fatal(err)
		}
	}
}
