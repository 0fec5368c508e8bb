package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Table writes the medians of every workload and dumper, and how the first dumper
// compares with the others: as text, or as Markdown.
func (r *Results) Table(w io.Writer, markdown bool) error {
	base := r.Plan.Dumpers[0]
	out := newGrid(w, markdown)
	head := []string{"workload", "dumper", "frozen", "stall", "total", "cpu", "peak", "images", "restore", "away", "frozen against " + base, "noise"}
	out.row(head...)
	out.rule(len(head))
	for _, wl := range r.Workloads {
		for _, d := range r.Plan.Dumpers {
			switch why := r.WhyNot(wl.Name, d); {
			case r.dumped(wl.Name, d):
				out.row(append([]string{wl.Name, d}, r.tableCells(wl.Name, d)...)...)
			case why != "":
				out.row(append([]string{wl.Name, d, out.reason(why)}, make([]string, len(head)-3)...)...)
			}
		}
	}
	if rows := r.answers(); len(rows) > 0 {
		out.section("answers", "dumper", "when due", "p50", "p99", "p99.9", "max")
		for _, a := range rows {
			out.row(append([]string{a.Workload, a.Dumper, a.When + " the dump"}, a.Cells...)...)
		}
	}
	out.note(r.rounds() + " noise: by how much the frozen time of the same dumper usually differs from one round to the next; " +
		"\"≈\" marks a ratio within that, which is no difference.")
	for _, note := range r.notes() {
		out.note(note)
	}
	return out.flush()
}

// rounds says what the figures are.
func (r *Results) rounds() string {
	if r.Plan.Rounds == 1 {
		return "One round."
	}
	return fmt.Sprintf("Medians (min–max) of %d rounds in turn.", r.Plan.Rounds)
}

// notes say what is not as usual: images that did not fit into memory, workloads that were left out.
func (r *Results) notes() (notes []string) {
	if len(r.Plan.LeftOut) > 0 {
		notes = append(notes, "Left out, for it would have taken too long: "+strings.Join(r.Plan.LeftOut, " ")+" (--workload or --full measures them).")
	}
	for _, w := range r.Workloads {
		if w.ImagesDir != "" {
			notes = append(notes, fmt.Sprintf("%s: its images do not fit into memory beside it, they were written to %s and synced.", w.Name, w.ImagesDir))
		}
	}
	return notes
}

func (r *Results) tableCells(workload, dumper string) (cells []string) {
	for _, c := range []string{"frozen", "stall", "total"} {
		cells = append(cells, duration(r.spread(workload, dumper, c)))
	}
	return append(cells, median(r.spread(workload, dumper, "cpu")), size(r.spread(workload, dumper, "peak").Median), r.written(workload, dumper),
		r.restored(workload, dumper), median(r.spread(workload, dumper, "away")),
		r.against(workload, r.Plan.Dumpers[0], dumper), noiseFloor(r.Of(workload, dumper, Clocks[0])))
}

// spread is that of a clock.
func (r *Results) spread(workload, dumper, clock string) Spread {
	return spread(r.Of(workload, dumper, clockNamed(clock)))
}

// written is how large the images are.
func (r *Results) written(workload, dumper string) string {
	return size(spread(r.Of(workload, dumper, Clock{"images", func(s *Sample) float64 { return s.Written }})).Median)
}

// restored is a restore's time, or what was wrong with it.
func (r *Results) restored(workload, dumper string) string {
	if v := r.Of(workload, dumper, clockNamed("restore")); len(v) > 0 {
		return human(spread(v).Median)
	}
	if why := r.WhyNot(workload, dumper); why != "" {
		return short(why, 40)
	}
	return "–"
}

// against is how long the target stands still under d, in times of base: by what both report,
// or else, marked, by what the target saw.
func (r *Results) against(workload, base, d string) string {
	clock := clockNamed("frozen")
	a, b, seen := r.Of(workload, base, clock), r.Of(workload, d, clock), ""
	if len(a) == 0 || len(b) == 0 {
		clock, seen = clockNamed("stall"), " by stall"
		a, b = r.Of(workload, base, clock), r.Of(workload, d, clock)
	}
	if base == d || len(a) == 0 || len(b) == 0 {
		return ""
	}
	s := ratio(a, b)
	switch {
	case min(len(a), len(b)) == 1: // nobody knows whether it means anything
		return fmt.Sprintf("%.1f×%s", s.Median, seen)
	case !means(s, a, b):
		return fmt.Sprintf("≈ %.1f×%s", s.Median, seen)
	}
	return fmt.Sprintf("%.1f×%s (%.1f–%.1f)", s.Median, seen, s.Min, s.Max)
}

// median is that of microseconds, human readable.
func median(s Spread) string {
	if s.Median == 0 {
		return "–"
	}
	return human(s.Median)
}

// duration is a spread of microseconds, human readable.
func duration(s Spread) string {
	if s.Min == s.Max {
		return median(s)
	}
	return fmt.Sprintf("%s (%s–%s)", human(s.Median), human(s.Min), human(s.Max))
}

func human(us float64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%.0f µs", us)
	case us < 1e5:
		return fmt.Sprintf("%.1f ms", us/1e3)
	case us < 1e6:
		return fmt.Sprintf("%.0f ms", us/1e3)
	}
	return fmt.Sprintf("%.2f s", us/1e6)
}

func size(bytes float64) string {
	if bytes < 10<<20 {
		return fmt.Sprintf("%.1f MiB", bytes/(1<<20))
	}
	return fmt.Sprintf("%.0f MiB", bytes/(1<<20))
}

func short(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// grid is a table in the making.
type grid struct {
	w        io.Writer
	tab      *tabwriter.Writer
	markdown bool
	notes    []string
	reasons  []string // notes that are the reasons of cells
}

func newGrid(w io.Writer, markdown bool) *grid {
	return &grid{w: w, tab: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), markdown: markdown}
}

func (g *grid) row(cells ...string) {
	if g.markdown {
		fmt.Fprintf(g.w, "| %s |\n", strings.Join(cells, " | "))
		return
	}
	fmt.Fprintln(g.tab, strings.Join(cells, "\t"))
}

func (g *grid) rule(columns int) {
	if g.markdown {
		fmt.Fprintln(g.w, strings.Repeat("|---", columns)+"|")
	}
}

// section begins another table.
func (g *grid) section(head ...string) {
	_ = g.tab.Flush()
	fmt.Fprintln(g.w)
	g.row(head...)
	g.rule(len(head))
}

// reason is what stands in a cell for why there are no figures: the beginning, if the whole
// is long, which follows below the table then.
func (g *grid) reason(why string) string {
	const room = 40
	if len([]rune(why)) <= room {
		return why
	}
	n := slices.Index(g.reasons, why) + 1
	if n == 0 {
		g.reasons = append(g.reasons, why)
		n = len(g.reasons)
		g.note(fmt.Sprintf("(%d) %s", n, why))
	}
	kind, _, _ := strings.Cut(why, ":")
	return fmt.Sprintf("%s (%d)", short(kind, room), n)
}

func (g *grid) note(s string) { g.notes = append(g.notes, s) }

func (g *grid) flush() error {
	if err := g.tab.Flush(); err != nil {
		return err
	}
	for _, n := range g.notes {
		if _, err := fmt.Fprintf(g.w, "\n%s\n", n); err != nil {
			return err
		}
	}
	return nil
}
