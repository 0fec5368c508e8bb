package bench

import (
	"fmt"
	"io"

	"golang.org/x/perf/benchmath"
)

// Compare writes two runs side by side, with medians, their 95 % confidence
// intervals, and whether they differ (Mann-Whitney U, as benchstat does). It returns
// how many figures are worse by more than share (0.1 is 10 %) with significance.
func Compare(w io.Writer, old, new *Results, share float64, markdown bool) (worse int, err error) {
	out := newGrid(w, markdown)
	out.row("workload", "dumper", "clock", "old", "new", "difference")
	out.rule(6)
	for _, wl := range new.Workloads {
		for _, d := range new.Plan.Dumpers {
			for _, c := range Clocks[:3] {
				a, b := old.Of(wl.Name, d, c), new.Of(wl.Name, d, c)
				if len(a) == 0 || len(b) == 0 {
					continue
				}
				before, after := benchmath.NewSample(a, &benchmath.DefaultThresholds), benchmath.NewSample(b, &benchmath.DefaultThresholds)
				sa, sb := benchmath.AssumeNothing.Summary(before, 0.95), benchmath.AssumeNothing.Summary(after, 0.95)
				diff := benchmath.AssumeNothing.Compare(before, after)
				mark := ""
				if diff.P < diff.Alpha && sb.Center > sa.Center*(1+share) {
					worse++
					mark = " WORSE"
				}
				out.row(wl.Name, d, c.Name, human(sa.Center)+" "+sa.PctRangeString(), human(sb.Center)+" "+sb.PctRangeString(),
					fmt.Sprintf("%s %s%s", diff.FormatDelta(sa.Center, sb.Center), diff, mark))
			}
		}
	}
	return worse, out.flush()
}
