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
	p.X.Label.Text = "when the request was due, ms since the start of the dump"
	return r.latencyPlot(p, workload, func(s *Sample) (points plotter.XYs) {
		for i, v := range s.Timeline {
			if v > 0 {
				points = append(points, plotter.XY{X: float64(i)*micros(TimelineStep)/1000 - s.Began/1000, Y: v})
			}
		}
		return points
	})
}

// plotTail draws the latencies of requests that were due during a dump at ever higher quantiles.
func (r *Results) plotTail(workload string) (template.HTML, error) {
	p := plot.New()
	p.X.Label.Text, p.X.Tick.Marker = "quantile of the requests due during the dump", nines{}
	return r.latencyPlot(p, workload, func(s *Sample) (points plotter.XYs) {
		for _, t := range s.Latency["during"].Tail {
			if t[0] < 100 && t[1] > 0 {
				points = append(points, plotter.XY{X: -math.Log10(1 - t[0]/100), Y: t[1]})
			}
		}
		return points
	})
}

func (r *Results) latencyPlot(p *plot.Plot, workload string, of func(*Sample) plotter.XYs) (template.HTML, error) {
	p.Y.Label.Text, p.Y.Scale, p.Y.Tick.Marker = "latency", plot.LogScale{}, timeTicks{}
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	lines := 0
	for i, d := range r.Plan.Dumpers {
		s := r.first(workload, d)
		if s == nil {
			continue
		}
		points := of(s)
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

// nines marks quantiles: 1 is 90 %, 2 is 99 % …
type nines struct{}

func (nines) Ticks(low, high float64) (ticks []plot.Tick) {
	for n := math.Floor(low); n <= high; n++ {
		ticks = append(ticks, plot.Tick{Value: n, Label: fmt.Sprintf("%.*f %%", max(0, int(n)-2), 100-100*math.Pow(10, -n))})
	}
	return ticks
}
