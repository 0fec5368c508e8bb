package bench

import (
	"fmt"
	"html/template"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// Servers are the workloads with latencies, in order.
func (r *Results) Servers() (names []string) {
	for _, w := range r.Workloads {
		for i := range r.Samples {
			if s := &r.Samples[i]; s.Workload == w.Name && len(s.Latency) > 0 {
				names = append(names, w.Name)
				break
			}
		}
	}
	return names
}

// first is a dumper's first sample of a workload that has latencies; nil if there is none.
func (r *Results) first(workload, dumper string) *Sample {
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Workload == workload && s.Dumper == dumper && len(s.Latency) > 0 {
			return s
		}
	}
	return nil
}

// plotTimeline draws the longest latency of each moment around a dump, which begins at 0.
func (r *Results) plotTimeline(workload string) (template.HTML, error) {
	p := plot.New()
	p.X.Tick.Marker = plot.TickerFunc(wholeTicks)
	p.X.Label.Text = "when the request was due, ms since the start of the dump"
	return r.latencyPlot(p, func(dumper string) (points plotter.XYs, err error) {
		s := r.first(workload, dumper)
		if s == nil {
			return nil, nil
		}
		for i, v := range s.Timeline {
			if v > 0 {
				points = append(points, plotter.XY{X: float64(i)*micros(TimelineStep)/1000 - s.Began/1000, Y: v})
			}
		}
		return points, nil
	})
}

// plotTail draws the latencies of requests that were due during dumps, of all rounds, at ever
// higher quantiles.
func (r *Results) plotTail(workload string) (template.HTML, error) {
	p := plot.New()
	p.X.Label.Text, p.X.Tick.Marker = "quantile of the requests due during the dump", nines{}
	return r.latencyPlot(p, func(dumper string) (points plotter.XYs, err error) {
		h, err := r.during(workload, dumper)
		if err != nil || h.TotalCount() == 0 {
			return nil, err
		}
		for _, b := range h.CumulativeDistributionWithTicks(4) {
			if b.Quantile < 100 && b.ValueAt > 0 {
				points = append(points, plotter.XY{X: -math.Log10(1 - b.Quantile/100), Y: float64(b.ValueAt)})
			}
		}
		return points, nil
	})
}

func (r *Results) latencyPlot(p *plot.Plot, of func(dumper string) (plotter.XYs, error)) (template.HTML, error) {
	p.Y.Label.Text, p.Y.Scale, p.Y.Tick.Marker = "latency", plot.LogScale{}, timeTicks{}
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	lines := 0
	for i, d := range r.Plan.Dumpers {
		points, err := of(d)
		if err != nil {
			return "", err
		}
		if len(points) < 2 {
			continue
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return "", err
		}
		line.Color, line.Width = palette[i%len(palette)], vg.Points(1.5)
		p.Add(line)
		p.Legend.Add(d, line)
		lines++
	}
	if lines == 0 {
		return "", nil
	}
	p.Y.Max *= 4 // room for the legend
	return render(p)
}

// wholeTicks are the usual ones, with numbers as they are spoken.
func wholeTicks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = fmt.Sprintf("%.0f", ticks[i].Value)
		}
	}
	return ticks
}

// nines marks quantiles: 1 is 90 %, 2 is 99 % …
type nines struct{}

func (nines) Ticks(low, high float64) (ticks []plot.Tick) {
	for n := math.Floor(low); n <= high; n++ {
		ticks = append(ticks, plot.Tick{Value: n, Label: fmt.Sprintf("%.*f %%", max(0, int(n)-2), 100-100*math.Pow(10, -n))})
	}
	return ticks
}
