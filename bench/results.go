package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Schema is the version of results.json's form. A field that is added does not change it.
const Schema = 1

// Results is results.json: what was measured, on what, and every single sample.
type Results struct {
	Schema  int       `json:"schema"`
	Started time.Time `json:"started"`
	Machine Machine   `json:"machine"`
	Plan    struct {
		Rounds    int                            `json:"rounds"`
		Restores  int                            `json:"restores"`
		Watched   float64                        `json:"watched_us"` // how long the target is watched before and after a dump
		Dumpers   []string                       `json:"dumpers"`
		Commands  map[string]map[string][]string `json:"commands"`           // of each dumper: "dump", "kill", "restore", "before"
		ImagesDir string                         `json:"images_dir"`         // "tmpfs", or the directory that was asked for
		LeftOut   []string                       `json:"left_out,omitempty"` // workloads for which there was no time
	} `json:"plan"`
	Workloads []WorkloadInfo `json:"workloads"`
	Samples   []Sample       `json:"samples"`
}

// WorkloadInfo is a workload as results.json names it.
type WorkloadInfo struct {
	Name  string  `json:"name"`
	Sweep string  `json:"sweep"`
	Unit  string  `json:"unit,omitempty"`
	Value float64 `json:"value"`

	ImagesDir string `json:"images_dir,omitempty"` // if not the plan's: images did not fit into memory
}

// Machine is where it was measured.
type Machine struct {
	Kernel   string            `json:"kernel"`
	CPU      string            `json:"cpu"`
	CPUs     int               `json:"cpus"`
	Memory   uint64            `json:"memory_bytes"`
	Load     float64           `json:"load"` // of the minute before
	Versions map[string]string `json:"versions"`
}

func newResults(ctx context.Context, p *Plan) *Results {
	r := &Results{Schema: Schema, Started: time.Now().UTC(), Machine: thisMachine()}
	r.Plan.Rounds, r.Plan.Restores, r.Plan.Watched, r.Plan.ImagesDir = p.Rounds, p.Restores, micros(p.After), p.ImagesDir
	r.Plan.Commands = map[string]map[string][]string{}
	if p.ImagesDir == "" {
		r.Plan.ImagesDir = "tmpfs"
	}
	for _, d := range p.Dumpers {
		r.Plan.Dumpers = append(r.Plan.Dumpers, d.Name)
		r.Plan.Commands[d.Name] = map[string][]string{"dump": d.Dump, "kill": d.Kill, "restore": d.Restore, "before": d.Before}
		r.Machine.Versions[d.Name] = versionOf(ctx, d.Dump[0])
	}
	for _, w := range p.Workloads {
		r.Workloads = append(r.Workloads, WorkloadInfo{Name: w.Name(), Sweep: w.Sweep, Unit: w.Unit, Value: w.Value})
	}
	return r
}

func thisMachine() Machine {
	m := Machine{CPUs: runtime.NumCPU(), Versions: map[string]string{}}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if fs, err := procfs.NewDefaultFS(); err == nil {
		if cpus, err := fs.CPUInfo(); err == nil && len(cpus) > 0 {
			m.CPU = cpus[0].ModelName
		}
		if mem, err := fs.Meminfo(); err == nil && mem.MemTotalBytes != nil {
			m.Memory = *mem.MemTotalBytes
		}
		if load, err := fs.LoadAvg(); err == nil {
			m.Load = load.Load1
		}
	}
	return m
}

// Memory is how many bytes of memory the machine has, 0 if nobody knows.
func Memory() uint64 { return thisMachine().Memory }

// FreeMemory is how many bytes can be had without swapping, 0 if nobody knows.
func FreeMemory() uint64 {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0
	}
	mem, err := fs.Meminfo()
	if err != nil || mem.MemAvailableBytes == nil {
		return 0
	}
	return *mem.MemAvailableBytes
}

// versionOf is the first line of what a program says of itself.
func versionOf(ctx context.Context, program string) string {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// place notes where a workload's images are written, if that is not what the plan says.
func (r *Results) place(workload, dir string) {
	for i := range r.Workloads {
		if r.Workloads[i].Name == workload {
			r.Workloads[i].ImagesDir = dir
		}
	}
}

func (r *Results) add(s Sample) { r.Samples = append(r.Samples, s) }

// Of are the samples of one workload by one dumper that have this figure.
func (r *Results) Of(workload, dumper string, c Clock) (values []float64) {
	for i := range r.Samples {
		s := &r.Samples[i]
		if s.Workload == workload && s.Dumper == dumper && s.ok() && c.Of(s) > 0 {
			values = append(values, c.Of(s))
		}
	}
	return values
}

// dumped tells whether a dumper dumped a workload at least once.
func (r *Results) dumped(workload, dumper string) bool {
	return len(r.Of(workload, dumper, clockNamed("total"))) > 0
}

// WhyNot is why there are no figures of a workload by a dumper, or why its restore
// failed; empty if all went well.
func (r *Results) WhyNot(workload, dumper string) string {
	for i := range r.Samples {
		switch s := &r.Samples[i]; {
		case s.Workload != workload || s.Dumper != dumper:
		case strings.HasPrefix(s.Refused, notPossible):
			return s.Refused
		case s.Refused != "":
			return "refused: " + s.Refused
		case s.Failed != "":
			return "FAILED: " + s.Failed
		}
	}
	return ""
}

// Only is the results of one dumper, under another name: two of one run are compared so.
func (r *Results) Only(dumper, name string) (*Results, error) {
	if !slices.Contains(r.Plan.Dumpers, dumper) {
		return nil, fmt.Errorf("no dumper of these results is called %q", dumper)
	}
	out := *r
	out.Plan.Dumpers, out.Samples = []string{name}, nil
	for _, s := range r.Samples {
		if s.Dumper == dumper {
			s.Dumper = name
			out.add(s)
		}
	}
	return &out, nil
}

// Sweeps are the names of the sweeps with more than one point, in order.
func (r *Results) Sweeps() (names []string) {
	points := map[string]int{}
	for _, w := range r.Workloads {
		points[w.Sweep]++
		if points[w.Sweep] == 2 {
			names = append(names, w.Sweep)
		}
	}
	return names
}

// Write writes results.json.
func (r *Results) Write(path string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// ReadResults reads a results.json.
func ReadResults(path string) (*Results, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Results{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("results %s: %w", path, err)
	}
	if r.Schema != Schema {
		return nil, fmt.Errorf("results %s have schema %d, this program reads %d", path, r.Schema, Schema)
	}
	if !slices.ContainsFunc(r.Samples, func(s Sample) bool { return s.ok() }) {
		return nil, fmt.Errorf("results %s hold no figures", path)
	}
	return r, nil
}
