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
	out.row("workload", "dumper", "frozen", "stall", "total", "cpu", "peak", "restore", "frozen against "+base)
	out.rule(9)
	for _, wl := range r.Workloads {
		for _, d := range r.Plan.Dumpers {
			frozen := r.Of(wl.Name, d, Clocks[0])
			if why := r.WhyNot(wl.Name, d); why != "" && len(frozen) == 0 {
				out.row(wl.Name, d, out.reason(why), "", "", "", "", "", "")
				continue
			}
			cells := []string{wl.Name, d}
			for _, c := range []string{"frozen", "stall", "total", "cpu"} {
				cells = append(cells, duration(spread(r.Of(wl.Name, d, clockNamed(c)))))
			}
			cells = append(cells, size(spread(r.Of(wl.Name, d, clockNamed("peak"))).Median), r.restored(wl.Name, d), r.against(wl.Name, base, d))
			out.row(cells...)
		}
	}
	if rows := r.answers(); len(rows) > 0 {
		out.section("answers", "dumper", "when due", "p50", "p99", "p99.9", "max")
		for _, a := range rows {
			out.row(append([]string{a.Workload, a.Dumper, a.When + " the dump"}, a.Cells...)...)
		}
	}
	out.note("Medians (min–max) of " + fmt.Sprint(r.Plan.Rounds) + " rounds in turn. " +
		"\"≈\": the difference is within what the same dumper differs from round to round.")
	return out.flush()
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

// against is how long the target stands still under d, in times of base.
func (r *Results) against(workload, base, d string) string {
	a, b := r.Of(workload, base, Clocks[0]), r.Of(workload, d, Clocks[0])
	if base == d || len(a) == 0 || len(b) == 0 {
		return ""
	}
	s := ratio(a, b)
	if !means(s, a, b) {
		return fmt.Sprintf("≈ %.1f×", s.Median)
	}
	return fmt.Sprintf("%.1f× (%.1f–%.1f)", s.Median, s.Min, s.Max)
}

// duration is a spread of microseconds, human readable.
func duration(s Spread) string {
	if s.Median == 0 {
		return "–"
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

func size(bytes float64) string { return fmt.Sprintf("%.0f MiB", bytes/(1<<20)) }

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
