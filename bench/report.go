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
	}{Results: r, Answers: r.answers(), Columns: []string{"frozen", "stall", "total", "cpu", "peak memory", "restore"}}
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
	Against          reportCell
}

// reportCell is a median, and below it the smallest and the largest.
type reportCell struct{ Median, Range string }

func newCell(s string) reportCell {
	median, spread, _ := strings.Cut(s, " (")
	return reportCell{median, strings.TrimSuffix(spread, ")")}
}

func (r *Results) reportRows() (rows []reportRow) {
	for _, wl := range r.Workloads {
		for _, d := range r.Plan.Dumpers {
			row := reportRow{Workload: wl.Name, Dumper: d, WhyNot: r.WhyNot(wl.Name, d)}
			if len(r.Of(wl.Name, d, Clocks[0])) > 0 {
				for _, c := range []string{"frozen", "stall", "total", "cpu"} {
					row.Cells = append(row.Cells, newCell(duration(spread(r.Of(wl.Name, d, clockNamed(c))))))
				}
				row.Cells = append(row.Cells, reportCell{Median: size(spread(r.Of(wl.Name, d, clockNamed("peak"))).Median)},
					reportCell{Median: r.restored(wl.Name, d)})
				row.Against = newCell(r.against(wl.Name, r.Plan.Dumpers[0], d))
			}
			rows = append(rows, row)
		}
	}
	return rows
}
