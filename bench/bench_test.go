package bench

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSpread(t *testing.T) {
	if s := spread([]float64{3, 1, 2}); s != (Spread{2, 1, 3}) {
		t.Errorf("%+v", s)
	}
	if s := spread([]float64{4, 1}); s != (Spread{2.5, 1, 4}) {
		t.Errorf("%+v", s)
	}
	if s := spread(nil); s != (Spread{}) {
		t.Errorf("%+v", s)
	}
}

func TestRatioPairByPair(t *testing.T) {
	// The machine was half as fast in the second round, for both.
	if s := ratio([]float64{1, 2, 1}, []float64{10, 20, 10, 99}); s != (Spread{10, 10, 10}) {
		t.Errorf("%+v", s)
	}
}

func TestADifferenceWithinTheNoiseIsNone(t *testing.T) {
	wild := []float64{10, 20, 10, 20}
	for _, c := range []struct {
		b    []float64
		want bool
	}{{[]float64{15, 15, 15, 15}, false}, {[]float64{100, 90, 100, 90}, true}, {[]float64{1, 1, 1, 1}, true}} {
		if got := means(ratio(wild, c.b), wild, c.b); got != c.want {
			t.Errorf("%v against %v: %v", c.b, wild, got)
		}
	}
	if means(Spread{Median: 5}, []float64{1}, []float64{5}) {
		t.Error("one sample tells no noise")
	}
}

func TestChoose(t *testing.T) {
	all := Workloads(20 << 30)
	quick, err := Choose(all, nil, false)
	if err != nil || len(quick) < 5 || len(quick) >= len(all) {
		t.Fatalf("%d of %d, %v", len(quick), len(all), err)
	}
	if extra := quick[len(quick)-1]; !extra.Extra || quick[0].Extra {
		t.Errorf("what may be left out is not last: %v", quick)
	}
	for memory, want := range map[uint64][]int{24 << 30: {4096, 8192}, 10 << 30: {4096, 6144}, 7 << 30: {2048, 4096}, 1 << 30: {256, 576}} {
		sizes := memorySizes(memory)
		if got := sizes[len(sizes)-2:]; !slices.Equal(got, want) {
			t.Errorf("of %d GiB: the largest are %v MiB, want %v", memory>>30, got, want)
		}
	}
	threads, err := Choose(all, []string{"threads"}, false)
	if err != nil || len(threads) != 6 {
		t.Errorf("%v, %v", threads, err)
	}
	own, err := Choose(all, []string{"mib=3,procs=2"}, false)
	if err != nil || len(own) != 1 || own[0].Name() != "mib=3,procs=2" {
		t.Errorf("%v, %v", own, err)
	}
	if _, err := Choose(all, []string{"nonsense"}, false); err == nil {
		t.Error("nonsense is a workload")
	}
}

func TestReadDumpers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.toml")
	for text, want := range map[string]string{
		"[[dumper]]\nname=\"a\"\ndump=[\"a\",\"{pid}\",\"{dir}\"]\nfrozen=\"json:f\"\n": "",
		"[[dumper]]\nname=\"a\"\n":                            "needs a name and a dump command",
		"[[dumper]]\nname=\"a\"\ndump=[\"a\"]\nfroozen=\"x\"": "froozen is not known",
		"[[dumper]]\nname=\"a\"\ndump=[\"a\"]\nfrozen=\"f\"":  "it is criu or json:FIELD",
		"":          "there is no [[dumper]]",
		"[[dumper]": "expected",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := ReadDumpers(path)
		if want == "" && (err != nil || d[0].command(d[0].Dump, 7, "/x")[1] != "7") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// fabricated are results of two dumpers, one of them three times as slow as before.
func fabricated(factor float64) *Results {
	r := &Results{Schema: Schema}
	r.Plan.Rounds, r.Plan.Dumpers = 6, []string{"fastcr", "criu", "other"}
	for i, v := range []float64{4, 64} {
		w := point("memory", "MiB", v, "mib=4")
		if i == 1 {
			w.Args = []string{"mib=64"}
		}
		r.Workloads = append(r.Workloads, WorkloadInfo{Name: w.Name(), Sweep: w.Sweep, Unit: w.Unit, Value: w.Value})
		for round := range 6 {
			noise := 1 + float64(round)/100
			r.add(Sample{Workload: w.Name(), Dumper: "fastcr", Round: round, Frozen: 200 * v * noise * factor, Stall: 210 * v, Total: 9000,
				Stages: map[string]float64{"copy": 100 * v, "prepare": 3000}})
			r.add(Sample{Workload: w.Name(), Dumper: "criu", Round: round, Frozen: 5000 * v * noise, Total: 90000})
		}
		r.add(Sample{Workload: w.Name(), Dumper: "criu", Round: 7, Restore: 40000})
		r.add(Sample{Workload: w.Name(), Dumper: "other", Refused: "has a <socket>"})
	}
	return r
}

func TestTable(t *testing.T) {
	for _, markdown := range []bool{false, true} {
		var out bytes.Buffer
		if err := fabricated(1).Table(&out, markdown); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"25.0× (25.0–25.0)", "refused: has a <socket>", "40.0 ms", "820 µs (800 µs–840 µs)"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in\n%s", want, out.String())
			}
		}
	}
}

func TestReportStandsAlone(t *testing.T) {
	var out bytes.Buffer
	if err := fabricated(1).Report(&out); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	if n := strings.Count(page, "<svg"); n != 1 {
		t.Errorf("%d plots", n)
	}
	if n := strings.Count(page, `class="bar"`); n != 8 {
		t.Errorf("%d bars, not 4 of frozen times and 4 of stages", n)
	}
	if !strings.Contains(page, "has a &lt;socket&gt;") {
		t.Error("a reason is not there, or not escaped")
	}
	for _, bad := range []string{"src=", "href=\"http", "@import", "<?xml"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

func TestResultsSurviveAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	if err := fabricated(1).Write(path); err != nil {
		t.Fatal(err)
	}
	r, err := ReadResults(path)
	if err != nil || len(r.Of("mib=64", "criu", Clocks[0])) != 6 || r.Sweeps()[0] != "memory" {
		t.Fatalf("%+v %v", r, err)
	}
	if err := os.WriteFile(path, []byte(`{"schema":99}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadResults(path); err == nil {
		t.Error("schema 99 is read")
	}
}

func TestCompareFindsARegression(t *testing.T) {
	for factor, want := range map[float64]int{1: 0, 1.05: 0, 3: 2, 0.5: 0} {
		var out bytes.Buffer
		worse, err := Compare(&out, fabricated(1), fabricated(factor), 0.1, true)
		if err != nil || worse != want {
			t.Errorf("× %v: %d worse, %v\n%s", factor, worse, err, out.String())
		}
	}
}

func TestCompareOfOneRun(t *testing.T) {
	r := fabricated(1)
	old, err1 := r.Only("fastcr", "x")
	new, err2 := r.Only("criu", "x")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	var out bytes.Buffer
	if worse, err := Compare(&out, old, new, 0.1, true); err != nil || worse != 4 { // frozen and total of both workloads
		t.Errorf("%d worse, %v\n%s", worse, err, out.String())
	}
	if _, err := r.Only("nobody", "x"); err == nil {
		t.Error("nobody has results")
	}
}

// TestCompareNamesWhatGotWorse: the stage, and what is dumped no more.
func TestCompareNamesWhatGotWorse(t *testing.T) {
	new := fabricated(3)
	for i := range new.Samples {
		s := &new.Samples[i]
		if s.Dumper == "fastcr" {
			s.Stages = map[string]float64{"copy": s.Stages["copy"] * (4 + float64(s.Round)/100), "prepare": s.Stages["prepare"]}
		} else if s.Dumper == "criu" && s.Workload == "mib=64" {
			*s = Sample{Workload: s.Workload, Dumper: s.Dumper, Refused: "no more"}
		}
	}
	var out bytes.Buffer
	worse, err := Compare(&out, fabricated(1), new, 0.1, true)
	if err != nil || worse != 3 {
		t.Errorf("%d worse, %v", worse, err)
	}
	for want, n := range map[string]int{"· copy": 2, "· prepare": 0, "| was dumped | refused: no more | WORSE": 1} {
		if got := strings.Count(out.String(), want); got != n {
			t.Errorf("%q is there %d times, want %d:\n%s", want, got, n, out.String())
		}
	}
}

// TestMeasuresRealDumps takes one round of a small workload with the real dumpers.
func TestMeasuresRealDumps(t *testing.T) {
	criu := os.Getenv("FASTCR_CRIU")
	if os.Geteuid() != 0 || criu == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root and FASTCR_CRIU")
		}
		t.Skip("needs root and FASTCR_CRIU: make test")
	}
	ctx := context.Background()
	program := filepath.Join(t.TempDir(), "fastcr")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/fastcr").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dumpers, err := ChooseDumpers(BuiltIn(ctx, program, criu), []string{"fastcr", "criu"})
	if err != nil {
		t.Fatal(err)
	}
	never := Dumper{Name: "never", Dump: []string{"sh", "-c", "echo it does not want >&2; exit 1"}}
	silent := Dumper{Name: "silent", Dump: []string{"sh", "-c", "sleep 0.05"}} // long enough for a stall to be seen
	w := point(ownSweep, "", 0, "mib=4", "threads=3", "vmas=20", "fds=40", "kinds=10", "queued=1", "procs=2", "rewrite=50", "zipf=1")
	r, err := Run(ctx, &Plan{Workloads: []Workload{w}, Dumpers: append(dumpers, never, silent), Rounds: 1, Restores: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"fastcr", "criu"} {
		if why := r.WhyNot(w.Name(), d); why != "" {
			t.Errorf("%s: %s", d, why)
		}
		for _, c := range Clocks {
			if v := r.Of(w.Name(), d, c); len(v) != 1 || v[0] <= 0 {
				t.Errorf("%s: %s is %v", d, c.Name, v)
			}
		}
	}
	if why := r.WhyNot(w.Name(), "never"); why != "refused: it does not want" {
		t.Errorf("%q", why)
	}
	var table bytes.Buffer
	if err := r.Table(&table, true); err != nil || !strings.Contains(table.String(), "| silent | – |") || !strings.Contains(table.String(), "× by stall") {
		t.Errorf("a dumper that says nothing of its frozen time: %v\n%s", err, table.String())
	}
}

// TestCheckMissesWhatIsGone: a target that lost a process says so.
func TestCheckMissesWhatIsGone(t *testing.T) {
	ctx := context.Background()
	load, err := Build(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := point(ownSweep, "", 0, "mib=1", "threads=2", "vmas=4", "fds=30", "kinds=10", "procs=3")
	target, err := StartTarget(ctx, load, &w)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if err := target.Check(ctx); err != nil {
		t.Fatal(err)
	}
	for _, pid := range treeOf(target.PID) {
		if pid != target.PID {
			_ = unix.Kill(pid, unix.SIGKILL)
			break
		}
	}
	for range 1000 {
		if err = target.Check(ctx); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err == nil || !strings.Contains(err.Error(), "5 threads and 1 children, not 5 and 2") {
		t.Errorf("a process was killed: %v", err)
	}
}
