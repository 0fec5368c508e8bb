package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/fastcr/fastcr/dump"
)

// jsonObject is a dump's result as --json prints it. Times are microseconds.
type jsonObject struct {
	PIDs         []int    `json:"pids"`
	Threads      int      `json:"threads"`
	Files        int      `json:"files"`
	VMAs         int      `json:"vmas"`
	Pages        uint64   `json:"pages"`
	SharedPages  uint64   `json:"shared_pages"`
	PagesScanned uint64   `json:"pages_scanned"`
	Interrupted  int      `json:"interrupted_calls"`
	Restarted    int      `json:"restarted_calls"`
	Sleepers     int      `json:"restarted_sleeps"`
	Lost         []string `json:"lost,omitempty"`
	FrozenUS     int64    `json:"frozen_us"`
	TotalUS      int64    `json:"total_us"`
	StagesUS     struct {
		Prepare int64 `json:"prepare"`
		Freeze  int64 `json:"freeze"`
		Collect int64 `json:"collect"`
		Copy    int64 `json:"copy"`
		Thaw    int64 `json:"thaw"`
		Encode  int64 `json:"encode"`
		Sync    int64 `json:"sync"`
	} `json:"stages_us"`
}

func jsonResult(r *dump.Result) jsonObject {
	o := jsonObject{
		PIDs: r.PIDs, Threads: r.Threads, Files: r.Files, VMAs: r.VMAs,
		Pages: r.Pages, SharedPages: r.SharedPages, PagesScanned: r.Scanned,
		Interrupted: r.Interrupted, Restarted: r.Restarted, Sleepers: r.Sleepers, Lost: r.Lost,
		FrozenUS: r.Frozen.Microseconds(), TotalUS: r.Total.Microseconds(),
	}
	s := &o.StagesUS
	s.Prepare = r.Stages.Prepare.Microseconds()
	s.Freeze = r.Stages.Freeze.Microseconds()
	s.Collect = r.Stages.Collect.Microseconds()
	s.Copy = r.Stages.Copy.Microseconds()
	s.Thaw = r.Stages.Thaw.Microseconds()
	s.Encode = r.Stages.Encode.Microseconds()
	s.Sync = r.Stages.Sync.Microseconds()
	return o
}

// summary is the one line that a dump prints: pids, pages, freeze time, total time.
func summary(r *dump.Result) string {
	pages := r.Pages + r.SharedPages
	s := fmt.Sprintf("pid %d: %s, %s, %d pages (%.1f MiB), frozen %s, total %s",
		r.PIDs[0], count(len(r.PIDs), "process", "processes"), count(r.Threads, "thread", "threads"),
		pages, float64(pages)*4096/(1<<20), short(r.Frozen), short(r.Total))
	if n := r.Interrupted - r.Restarted; n > 0 {
		s += fmt.Sprintf("; %s saw its call return EINTR (--restart-calls mends that)", count(n, "thread", "threads"))
	}
	if r.Sleepers > 0 {
		s += fmt.Sprintf("; %s got its sleep restarted with ptrace (seccomp forbids restart_syscall)", count(r.Sleepers, "thread", "threads"))
	}
	return s
}

// lostShown is how many lines of what a restore will not bring back are printed.
const lostShown = 10

// warnings are the lines about what a restore will not bring back.
func warnings(lost []string) []string {
	lines := slices.Clone(lost[:min(len(lost), lostShown)])
	if more := len(lost) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("%d lines more like these are in the log (-o) and the result (--json)", more))
	}
	return lines
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// short prints a duration with three digits at most after the point.
func short(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// printStats prints what criu's --display-stats does, of what stats-dump has.
func printStats(r *dump.Result) {
	fmt.Println("Displaying dump stats:")
	fmt.Printf("Freezing time: %d us\n", r.Stages.Freeze.Microseconds())
	fmt.Printf("Frozen time: %d us\n", (r.Frozen - r.Stages.Freeze).Microseconds())
	fmt.Printf("Memory dump time: %d us\n", r.Stages.Copy.Microseconds())
	fmt.Printf("Memory write time: %d us\n", r.Stages.Encode.Microseconds())
	fmt.Println("IRMAP resolve time: 0 us")
	for _, line := range []struct {
		what  string
		pages uint64
	}{
		{"Memory pages scanned", r.Scanned}, {"Memory pages skipped from parent", 0},
		{"Memory pages written", r.Pages}, {"Lazy memory pages", 0},
	} {
		fmt.Printf("%s: %d (0x%x)\n", line.what, line.pages, line.pages)
	}
}
