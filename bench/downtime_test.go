// Package bench measures how long a target stands still while it is dumped,
// fastcr and criu in turn on the same process.
package bench

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr/images"
)

// workload is one point of the table.
type workload struct {
	name                    string
	mib, threads, vmas, fds int
}

var workloads = []workload{
	{"small", 0, 1, 0, 0},
	{"mib=1024", 1024, 1, 0, 0},
	{"threads=500,vmas=21000,fds=5000,mib=1024", 1024, 500, 21000, 5000},
}

// BenchmarkDowntime dumps each workload with fastcr -R and criu -R in turn. Frozen is
// what the dumper itself reports (criu: freezing_time + frozen_time of
// stats-dump), stall the longest gap that a thread of the target saw between
// two reads of the clock, total the whole command. Medians and maxima.
func BenchmarkDowntime(b *testing.B) {
	criu := os.Getenv("FASTCR_CRIU")
	if criu == "" {
		b.Fatal("FASTCR_CRIU is not set: run this with make bench")
	}
	dir := b.TempDir()
	build(b, "cc", "-O2", "-Wall", "-pthread", "-o", dir+"/load", "targets/load.c")
	build(b, "go", "build", "-o", dir+"/fastcr", "../cmd/fastcr")
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) { measure(b, w, dir, criu) })
	}
}

func build(b *testing.B, argv ...string) {
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", argv, err, out)
	}
}

// target is a running workload.
type target struct {
	pid int
	gap []byte // its longest gap, nanoseconds
}

func start(b *testing.B, w workload, dir string) target {
	name := filepath.Join(b.TempDir(), "gap")
	if err := os.WriteFile(name, make([]byte, 4096), 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	gap, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(dir+"/load", name, strconv.Itoa(w.mib), strconv.Itoa(w.threads), strconv.Itoa(w.vmas), strconv.Itoa(w.fds))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	log, err := os.Create(filepath.Join(filepath.Dir(name), "out"))
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stdout = log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); log.Close(); unix.Munmap(gap) })
	for range 3000 {
		if out, _ := os.ReadFile(log.Name()); len(out) > 0 {
			return target{cmd.Process.Pid, gap}
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.Fatal("the workload did not start")
	return target{}
}

// sample is one dump's figures in microseconds.
type sample struct{ frozen, stall, total float64 }

func measure(b *testing.B, w workload, dir, criu string) {
	t := start(b, w, dir)
	tmpfs := b.TempDir()
	if err := unix.Mount("tmpfs", tmpfs, "tmpfs", 0, ""); err != nil {
		b.Fatal(err)
	}
	defer unix.Unmount(tmpfs, unix.MNT_DETACH)
	var fast, other []sample
	fastDump(b, t, dir, tmpfs) // warm: programs are pinned from here on
	criuDump(b, t, criu, tmpfs)
	for b.Loop() {
		fast = append(fast, fastDump(b, t, dir, tmpfs))
		other = append(other, criuDump(b, t, criu, tmpfs))
	}
	report(b, "fastcr", fast)
	report(b, "criu", other)
	b.ReportMetric(median(other, frozen)/median(fast, frozen), "criu/fastcr-frozen")
	b.ReportMetric(median(other, total)/median(fast, total), "criu/fastcr-total")
	b.ReportMetric(median(fast, stall)/median(fast, frozen), "fastcr-stall/frozen")
	b.ReportMetric(0, "ns/op")
	b.Log(row(w.name, fast, other))
}

// row is a workload's row of bench/README.md.
func row(name string, fast, other []sample) string {
	cell := func(s []sample, of func(sample) float64) string {
		v := values(s, of)
		return fmt.Sprintf("%.0f (%.0f)", median(s, of), v[len(v)-1])
	}
	ratio := func(of func(sample) float64) string { return fmt.Sprintf("1/%.1f", median(other, of)/median(fast, of)) }
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %.2f | %s | %s | %s |", name,
		cell(fast, frozen), cell(other, frozen), ratio(frozen), cell(fast, stall), cell(other, stall),
		median(fast, stall)/median(fast, frozen), cell(fast, total), cell(other, total), ratio(total))
}

func frozen(s sample) float64 { return s.frozen }
func stall(s sample) float64  { return s.stall }
func total(s sample) float64  { return s.total }

func values(samples []sample, of func(sample) float64) []float64 {
	v := make([]float64, len(samples))
	for i, s := range samples {
		v[i] = of(s)
	}
	slices.Sort(v)
	return v
}

func median(samples []sample, of func(sample) float64) float64 {
	v := values(samples, of)
	return v[len(v)/2]
}

func report(b *testing.B, who string, s []sample) {
	for name, of := range map[string]func(sample) float64{"frozen": frozen, "stall": stall, "total": total} {
		v := values(s, of)
		b.ReportMetric(median(s, of), who+"-"+name+"-µs")
		b.ReportMetric(v[len(v)-1], who+"-"+name+"-max-µs")
	}
}

// dump runs one dumper into an empty directory and fills in what is seen from outside.
func dump(b *testing.B, t target, tmpfs string, argv ...string) (sample, string, []byte) {
	img := filepath.Join(tmpfs, "img")
	os.RemoveAll(img)
	if err := os.Mkdir(img, 0o700); err != nil {
		b.Fatal(err)
	}
	binary.NativeEndian.PutUint64(t.gap, 0)
	at := time.Now()
	out, err := exec.Command(argv[0], append(argv[1:], "-D", img, "-R")...).Output()
	took := time.Since(at)
	if err != nil {
		b.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return sample{stall: float64(binary.NativeEndian.Uint64(t.gap)) / 1000, total: float64(took.Microseconds())}, img, out
}

func fastDump(b *testing.B, t target, dir, tmpfs string) sample {
	s, _, out := dump(b, t, tmpfs, dir+"/fastcr", "dump", "--json", "--pid", strconv.Itoa(t.pid))
	var r struct {
		Frozen float64 `json:"frozen_us"`
	}
	if err := json.Unmarshal(out, &r); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	s.frozen = r.Frozen
	return s
}

func criuDump(b *testing.B, t target, criu, tmpfs string) sample {
	s, img, _ := dump(b, t, tmpfs, criu, "dump", "-t", strconv.Itoa(t.pid))
	f, err := os.Open(filepath.Join(img, "stats-dump"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	stats, err := images.ReadStats(bufio.NewReader(f))
	if err != nil {
		b.Fatal(err)
	}
	s.frozen = float64((stats.Freezing + stats.Frozen).Microseconds())
	return s
}

func TestMedian(t *testing.T) {
	s := []sample{{frozen: 3}, {frozen: 1}, {frozen: 2}}
	if m := median(s, frozen); m != 2 {
		t.Fatal(fmt.Sprint("median is ", m))
	}
}
