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

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{"breakable": breakable}).Parse(reportHTML))

// page is what the template shows.
type page struct {
	*Results
	Rounds  string
	Used    []string // programs and their versions
	Figures []*figure
	Frozen  *stageBars
	Stages  []*stageBars
	Columns []string
	Rows    []reportRow
	Notes   []string
	Answers []answerRow
}

// Report writes one self-contained HTML page: plots and the table, no network.
func (r *Results) Report(w io.Writer) error {
	p := page{Results: r, Rounds: r.rounds(), Used: r.used(), Frozen: r.frozenBars(), Columns: reportColumns, Rows: r.reportRows(), Notes: r.notes(), Answers: r.answers()}
	for _, draw := range []func() ([]*figure, error){r.sweepFigures, r.latencyFigures} {
		figures, err := draw()
		if err != nil {
			return err
		}
		p.Figures = append(p.Figures, figures...)
	}
	for _, d := range r.Plan.Dumpers {
		frozen, whole := r.stageBars(d, frozenStages, "What the frozen time goes into"), r.stageBars(d, stages, "What the whole command goes into")
		if frozen != nil && whole != nil {
			p.Stages = append(p.Stages, frozen, whole)
			break // of the first that tells them
		}
	}
	var buf bytes.Buffer
	if err := reportTemplate.Execute(&buf, p); err != nil {
		return err
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// used are the versions that were measured, each once, by the first dumper that has it.
func (r *Results) used() (names []string) {
	seen := map[string]bool{"": true}
	for _, d := range r.Plan.Dumpers {
		if v := r.Machine.Versions[d]; !seen[v] {
			seen[v] = true
			names = append(names, d+": "+v)
		}
	}
	return names
}

// breakable is a workload's name that may be broken between its arguments.
func breakable(name string) template.HTML {
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(name), ",", ",<wbr>"))
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

var reportColumns = []string{"frozen", "against the first", "noise", "stall", "restore", "away", "total", "cpu", "memory", "images", "slower after"}

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
	count := func(of func(*Sample) float64) float64 { return spread(r.Of(workload, dumper, Clock{"", of})).Median }
	restored := timed("restore")
	if restored.Median == "–" {
		restored.Median = r.restored(workload, dumper) // perhaps why
	}
	slower := reportCell{Median: r.slower(workload, dumper)}
	if calls := count(func(s *Sample) float64 { return s.Interrupted }); calls > 0 {
		slower.Range = fmt.Sprintf("%.0f calls: EINTR", calls)
	}
	return []reportCell{
		timed("frozen"), newCell(r.against(workload, r.Plan.Dumpers[0], dumper)), {Median: noiseFloor(r.Of(workload, dumper, Clocks[0]))},
		timed("stall"), restored, timed("away"), timed("total"), timed("cpu"), {Median: size(r.spread(workload, dumper, "peak").Median)},
		{r.written(workload, dumper), fmt.Sprintf("%.0f files", count(func(s *Sample) float64 { return s.Files }))}, slower,
	}
}

// slower is how much less the target did in a while after than before. Of servers the answers
// tell: they are asked at the same rate all the time.
func (r *Results) slower(workload, dumper string) string {
	var values []float64
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Workload == workload && s.Dumper == dumper && s.Total > 0 && s.Latency == nil {
			values = append(values, s.Slower)
		}
	}
	if r.Plan.Watched == 0 || len(values) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*spread(values).Median)
}
