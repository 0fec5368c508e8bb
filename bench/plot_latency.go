package bench

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
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

// latencyFigures are two for each server: around a dump, and the tails.
func (r *Results) latencyFigures() (all []*figure, err error) {
	for _, server := range r.Servers() {
		for _, draw := range []func(string) (*figure, error){r.plotTimeline, r.plotTail} {
			f, err := draw(server)
			if err != nil {
				return nil, fmt.Errorf("plot of %s: %w", server, err)
			}
			if f != nil {
				all = append(all, f)
			}
		}
	}
	return all, nil
}

// plotTimeline draws the longest latency of each moment around a dump, which begins at 0.
func (r *Results) plotTimeline(workload string) (*figure, error) {
	c := newChart("when a request was due, ms since the dump began", "latency")
	c.X.Tick.Marker = plot.TickerFunc(wholeTicks)
	for n, dumper := range r.Plan.Dumpers {
		s := r.first(workload, dumper)
		if s == nil {
			continue
		}
		var points plotter.XYs
		for i, v := range s.Timeline {
			if v > 0 {
				points = append(points, plotter.XY{X: float64(i)*micros(TimelineStep)/1000 - s.Began/1000, Y: v})
			}
		}
		if err := c.line(dumper, n, points, false, false); err != nil {
			return nil, err
		}
	}
	return c.render(workload + ": latency around a checkpoint")
}

// plotTail draws the latencies of requests that were due during dumps, of all rounds, at ever
// higher quantiles.
func (r *Results) plotTail(workload string) (*figure, error) {
	c := newChart("quantile of requests due during the dump", "latency")
	c.X.Tick.Marker = nines{}
	for n, dumper := range r.Plan.Dumpers {
		h, err := r.during(workload, dumper)
		if err != nil {
			return nil, err
		}
		if h.TotalCount() == 0 {
			continue
		}
		var points plotter.XYs
		for _, b := range h.CumulativeDistributionWithTicks(4) {
			if b.Quantile < 100 && b.ValueAt > 0 {
				points = append(points, plotter.XY{X: -math.Log10(1 - b.Quantile/100), Y: float64(b.ValueAt)})
			}
		}
		if err := c.line(dumper, n, points, false, false); err != nil {
			return nil, err
		}
	}
	return c.render(workload + ": latency tails during it")
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
