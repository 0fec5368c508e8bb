package bench

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed report.html
var reportHTML string

var reportTemplate = template.Must(template.New("report").Parse(reportHTML))

// Report writes one self-contained HTML page: plots and the table, no network.
func (r *Results) Report(w io.Writer) error {
	page := struct {
		*Results
		Plots   []reportPlot
		Rows    []reportRow
		Columns []string
		Answers []answerRow
	}{Results: r, Answers: r.answers(), Columns: reportColumns}
	for _, sweep := range r.Sweeps() {
		svg, err := r.plotSweep(sweep)
		if err != nil {
			return fmt.Errorf("plot of %s: %w", sweep, err)
		}
		if svg != "" {
			page.Plots = append(page.Plots, reportPlot{"Freeze time against " + sweep, svg})
		}
	}
	for _, server := range r.Servers() {
		for _, kind := range []struct {
			title string
			draw  func(string) (template.HTML, error)
		}{{": latency around a checkpoint", r.plotTimeline}, {": latency tails during it", r.plotTail}} {
			svg, err := kind.draw(server)
			if err != nil {
				return fmt.Errorf("plot of %s: %w", server, err)
			}
			if svg != "" {
				page.Plots = append(page.Plots, reportPlot{server + kind.title, svg})
			}
		}
	}
	for _, part := range []struct {
		stages []string
		of     string
	}{{frozenStages, "the frozen time"}, {stages, "the whole command"}} {
		svg, err := r.plotStages(r.Plan.Dumpers[0], part.stages, part.of)
		if err != nil {
			return fmt.Errorf("plot of stages: %w", err)
		}
		if svg != "" {
			page.Plots = append(page.Plots, reportPlot{"Stages of " + part.of + ", " + r.Plan.Dumpers[0], svg})
		}
	}
	page.Rows = r.reportRows()
	var buf bytes.Buffer
	if err := reportTemplate.Execute(&buf, page); err != nil {
		return err
	}
	_, err := w.Write(buf.Bytes())
	return err
}

type reportPlot struct {
	Title string
	SVG   template.HTML
}

type reportRow struct {
	Workload, Dumper string
	Cells            []reportCell
	WhyNot           string
}

// reportCell is a median, and below it the smallest and the largest.
type reportCell struct{ Median, Range string }

func newCell(s string) reportCell {
	median, spread, _ := strings.Cut(s, " (")
	return reportCell{median, strings.TrimSuffix(spread, ")")}
}

var reportColumns = []string{"frozen", "against the first", "noise", "stall", "total", "cpu", "peak memory", "images", "slower after", "calls interrupted", "restore", "away"}

func (r *Results) reportRows() (rows []reportRow) {
	for _, wl := range r.Workloads {
		for _, d := range r.Plan.Dumpers {
			row := reportRow{Workload: wl.Name, Dumper: d, WhyNot: r.WhyNot(wl.Name, d)}
			if r.dumped(wl.Name, d) {
				row.Cells = r.reportCells(wl.Name, d)
			} else if row.WhyNot == "" {
				continue // it takes no part
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func (r *Results) reportCells(workload, dumper string) []reportCell {
	timed := func(clock string) reportCell { return newCell(duration(r.spread(workload, dumper, clock))) }
	files := spread(r.Of(workload, dumper, Clock{"files", func(s *Sample) float64 { return s.Files }})).Median
	calls := spread(r.Of(workload, dumper, Clock{"calls", func(s *Sample) float64 { return s.Interrupted }})).Median
	restored := timed("restore")
	if restored.Median == "–" {
		restored = reportCell{Median: r.restored(workload, dumper)} // perhaps why
	}
	return []reportCell{
		timed("frozen"), newCell(r.against(workload, r.Plan.Dumpers[0], dumper)), {Median: noiseFloor(r.Of(workload, dumper, Clocks[0]))},
		timed("stall"), timed("total"), timed("cpu"), {Median: size(r.spread(workload, dumper, "peak").Median)},
		{r.written(workload, dumper), fmt.Sprintf("%.0f files", files)}, {Median: r.slower(workload, dumper)}, {Median: fmt.Sprintf("%.0f", calls)}, restored, timed("away"),
	}
}

// slower is how much less the target did in a while after than before.
func (r *Results) slower(workload, dumper string) string {
	var values []float64
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Workload == workload && s.Dumper == dumper && s.Total > 0 {
			values = append(values, s.Slower)
		}
	}
	if r.Plan.Watched == 0 || len(values) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*spread(values).Median)
}
