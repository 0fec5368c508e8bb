package bench

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/perf/benchmath"
)

// compared are the clocks that Compare looks at.
var compared = []string{"frozen", "stall", "total", "restore", "away"}

// fewestSamples is how many on both sides it takes to call a difference significant: of fewer,
// even the clearest comes about by chance once in twenty times.
const fewestSamples = 4

// comparison is two runs side by side in the making.
type comparison struct {
	*grid
	old, new *Results
	share    float64
	rows     int
	few      bool
	worse    int
}

// Compare writes two runs side by side, with medians, their 95 % confidence
// intervals, and whether they differ (Mann-Whitney U, as benchstat does). It returns
// how many figures are worse by more than share (0.1 is 10 %) with significance, what is
// no longer dumped included. Of a dumper whose figures are worse it names the stages that are.
func Compare(w io.Writer, old, new *Results, share float64, markdown bool) (worse int, err error) {
	c := &comparison{grid: newGrid(w, markdown), old: old, new: new, share: share}
	c.row("workload", "dumper", "clock", "old", "new", "difference")
	c.rule(6)
	for _, wl := range new.Workloads {
		for _, d := range new.Plan.Dumpers {
			c.pair(wl.Name, d)
		}
	}
	if c.rows == 0 {
		return 0, errors.New("the two results have no workload in common that the same dumper dumped")
	}
	if c.few {
		c.note(fmt.Sprintf("Fewer than %d rounds on a side tell no difference from chance: --repeat.", fewestSamples))
	}
	return c.worse, c.flush()
}

// pair compares all figures of one dumper and workload.
func (c *comparison) pair(workload, dumper string) {
	before := c.worse
	if why := c.new.WhyNot(workload, dumper); why != "" && c.old.WhyNot(workload, dumper) == "" && c.old.dumped(workload, dumper) {
		c.rows++
		c.worse++
		c.row(workload, dumper, "", "was dumped", c.reason(why), "WORSE")
	}
	for _, name := range compared {
		c.clock(workload, dumper, clockNamed(name), true)
	}
	if c.worse == before {
		return
	}
	for _, s := range stages {
		c.clock(workload, dumper, Clock{"· " + s, func(x *Sample) float64 { return x.Stages[s] }}, false)
	}
}

// clock compares one clock; a stage shows only if it is worse, and does not count.
func (c *comparison) clock(workload, dumper string, clock Clock, counts bool) {
	a, b := c.old.Of(workload, dumper, clock), c.new.Of(workload, dumper, clock)
	if len(a) == 0 || len(b) == 0 || clock.Name != Clocks[0].Name && min(len(a), len(b)) == 1 {
		return // one sample says nothing
	}
	before, after := benchmath.NewSample(a, &benchmath.DefaultThresholds), benchmath.NewSample(b, &benchmath.DefaultThresholds)
	sa, sb := benchmath.AssumeNothing.Summary(before, 0.95), benchmath.AssumeNothing.Summary(after, 0.95)
	diff := benchmath.AssumeNothing.Compare(before, after)
	mark := ""
	if diff.P < diff.Alpha && sb.Center > sa.Center*(1+c.share) {
		mark = " WORSE"
	}
	if counts {
		c.rows++
		c.few = c.few || clock.Name == "frozen" && min(len(a), len(b)) < fewestSamples
		if mark != "" {
			c.worse++
		}
	} else if mark == "" {
		return
	}
	c.row(workload, dumper, clock.Name, human(sa.Center)+" ± "+sa.PctRangeString(), human(sb.Center)+" ± "+sb.PctRangeString(),
		fmt.Sprintf("%s %s%s", diff.FormatDelta(sa.Center, sb.Center), diff, mark))
}
