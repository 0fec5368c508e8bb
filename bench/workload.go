package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fastcr/fastcr/bench/servers"
)

// Workload is one point of a sweep, a program of a given size, or a real server.
type Workload struct {
	Sweep string  // what is varied: memory, threads, …; the same for all points of a curve
	Unit  string  // of Value
	Value float64 // the point
	Args  []string
	Quick bool // part of the short choice
	Extra bool // part of it while there is time

	Server *servers.Server // instead of the synthetic program
}

// Name is the workload's name in results and on the command line: its arguments.
func (w *Workload) Name() string {
	if w.Server != nil {
		return w.Server.Name
	}
	if len(w.Args) == 0 {
		return "small"
	}
	return strings.Join(w.Args, ",")
}

// flags are criu's options that a dump and a restore of it need.
func (w *Workload) flags() []string {
	kinds := w.arg("kinds")
	if n, _ := strconv.Atoi(kinds); w.Server != nil || kinds == "tcp" || n >= tcpKind {
		return []string{"--tcp-established"}
	}
	return nil
}

// tcpKind is from how many kinds of open files on there are TCP connections (targets/files.h).
const tcpKind = 4

// arg is an argument's value; empty without it.
func (w *Workload) arg(key string) string {
	for _, a := range w.Args {
		if v, ok := strings.CutPrefix(a, key+"="); ok {
			return v
		}
	}
	return ""
}

func point(sweep, unit string, value float64, args ...string) Workload {
	return Workload{Sweep: sweep, Unit: unit, Value: value, Args: args}
}

// Sweeps that others name.
const (
	ownSweep     = "own" // points of the user's own
	serversSweep = "servers"
)

// bytes is about how much memory it takes.
func (w *Workload) bytes() uint64 {
	if w.Server != nil {
		return uint64(w.Server.MiB) << 20 * 3 / 2
	}
	n, _ := strconv.Atoi(w.arg("mib"))
	return uint64(n) << 20
}

// memorySizes are the points of the memory sweep in MiB: up to 8 GiB or 60 % of all there is.
func memorySizes(memory uint64) []int {
	most := int(memory / 10 * 6 >> 20)
	sizes := slices.DeleteFunc([]int{4, 16, 64, 256, 1024, 2048, 4096, 8192}, func(m int) bool { return m > most })
	if len(sizes) == 0 { // nobody knows how much there is
		return []int{4}
	}
	if last := sizes[len(sizes)-1]; last < 8192 && most > last*5/4 {
		sizes = append(sizes, most/64*64)
	}
	return sizes
}

// Workloads are all workloads for a machine with so many bytes of memory: of the synthetic
// ones, one parameter is swept at a time.
func Workloads(memory uint64) []Workload {
	all := []Workload{
		point("small", "", 1),
		point("everything", "", 1, "mib=1024", "threads=500", "vmas=21000", "fds=5000"),
	}
	sweep := func(name, unit, key string, values []int, more ...string) {
		for _, v := range values {
			all = append(all, point(name, unit, float64(v), append([]string{fmt.Sprintf("%s=%d", key, v)}, more...)...))
		}
	}
	sizes := memorySizes(memory)
	sweep("memory", "MiB", "mib", sizes)
	sweep("huge pages", "MiB", "mib", slices.DeleteFunc(slices.Clone(sizes), func(m int) bool { return m > 1024 }), "huge=1")
	sweep("threads", "", "threads", []int{1, 10, 100, 500, 1000, 2000})
	sweep("calls that a freeze interrupts", "", "threads", []int{1, 10, 100, 500}, "epoll=1")
	sweep("mappings", "", "vmas", []int{100, 1000, 10000, 30000, 60000})
	sweep("open files", "", "fds", []int{10, 100, 1000, 5000, 19000})
	sweep("open files, ten kinds", "", "fds", []int{100, 1000, 5000}, "kinds=10") // criu's rules of iptables: a minute at the last
	sweep("processes", "", "procs", []int{1, 10, 100, 300})
	sweep("rewritten, uniform", "%/s", "rewrite", []int{0, 1, 10, 50, 100}, "mib=256")
	sweep("rewritten, zipfian", "%/s", "rewrite", []int{1, 10, 50, 100}, "mib=256", "zipf=1")
	for _, s := range servers.All() {
		fits := *s
		fits.MiB = min(s.MiB, max(int(memory/6>>20), 1))
		all = append(all, Workload{Sweep: serversSweep, Server: &fits})
	}
	for i := range all {
		w := &all[i]
		w.Quick = slices.Contains([]string{"small", "mib=64", "mib=1024", "threads=100", "vmas=10000", "fds=1000", "procs=10",
			"rewrite=50,mib=256", "mib=1024,threads=500,vmas=21000,fds=5000"}, w.Name())
		w.Extra = slices.Contains([]string{"threads=500", "vmas=1000", "fds=5000", "fds=100,kinds=10", "procs=100"}, w.Name())
	}
	return all
}

// Choose picks the workloads whose name or sweep one of the patterns is in; without
// patterns, the short choice or all of them.
func Choose(all []Workload, patterns []string, full bool) ([]Workload, error) {
	var out []Workload
	if len(patterns) == 0 && full {
		return all, nil
	}
	if len(patterns) == 0 { // what may be left out comes last
		for _, extra := range []bool{false, true} {
			for _, w := range all {
				if w.Quick && !extra || w.Extra && extra {
					out = append(out, w)
				}
			}
		}
		return out, nil
	}
	for _, p := range patterns {
		n := len(out)
		for _, w := range all {
			if w.Name() == p || strings.Contains(w.Sweep, p) {
				out = append(out, w)
			}
		}
		server, err := servers.Sized(p)
		if err != nil {
			return nil, err
		}
		if len(out) == n && server != nil {
			out = append(out, Workload{Sweep: serversSweep, Server: server})
		} else if len(out) == n && strings.Contains(p, "=") { // a point of the user's own
			out = append(out, point(ownSweep, "", 0, strings.Split(p, ",")...))
		} else if len(out) == n {
			return nil, fmt.Errorf("no workload is called %q: --list shows them; KEY=VALUE,… makes one", p)
		}
	}
	return out, nil
}
