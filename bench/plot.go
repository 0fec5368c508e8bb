package bench

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const plotWidth, plotHeight = 13 * vg.Centimeter, 9 * vg.Centimeter

// palette tells dumpers and stages apart, for the colour-blind too (Okabe and Ito).
var palette = []color.Color{
	color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255}, color.RGBA{204, 121, 167, 255},
	color.RGBA{230, 159, 0, 255}, color.RGBA{86, 180, 233, 255}, color.RGBA{90, 90, 90, 255},
}

// plotSweep draws the freeze time of all dumpers against what a sweep varies, both
// logarithmic. Empty if there are no figures.
func (r *Results) plotSweep(sweep string) (template.HTML, error) {
	p := plot.New()
	p.Y.Label.Text, p.Y.Scale, p.Y.Tick.Marker = "frozen", plot.LogScale{}, timeTicks{}
	p.X.Label.Text, p.X.Scale, p.X.Tick.Marker = sweep, plot.LogScale{}, r.pointTicks(sweep)
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	lines := 0
	for i, d := range r.Plan.Dumpers {
		var points plotter.XYs
		for _, w := range r.Workloads {
			if w.Sweep != sweep {
				continue
			}
			if w.Unit != "" {
				p.X.Label.Text = sweep + ", " + w.Unit
			}
			if v := r.Of(w.Name, d, Clocks[0]); len(v) > 0 && w.Value > 0 {
				points = append(points, plotter.XY{X: w.Value, Y: spread(v).Median})
			}
		}
		if len(points) < 2 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return "", err
		}
		line.Color, line.Width = palette[i%len(palette)], vg.Points(1.5)
		dots.Color, dots.Shape = palette[i%len(palette)], draw.CircleGlyph{}
		p.Add(line, dots)
		p.Legend.Add(d, line, dots)
		lines++
	}
	if lines == 0 {
		return "", nil
	}
	p.Y.Max *= 4 // room for the legend
	return render(p)
}

// pointTicks marks the points of a sweep.
func (r *Results) pointTicks(sweep string) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for _, w := range r.Workloads {
		if w.Sweep == sweep && w.Value > 0 {
			ticks = append(ticks, plot.Tick{Value: w.Value, Label: fmt.Sprintf("%.6g", w.Value)})
		}
	}
	return ticks
}

// stages in the order in which they follow each other.
var stages = []string{"prepare", "freeze", "collect", "copy", "thaw", "encode", "sync"}

// frozenStages are those in which the target stands still.
var frozenStages = []string{"freeze", "collect", "copy", "thaw"}

// plotStages draws, for each workload, the shares of some of a dumper's stages as stacked bars.
func (r *Results) plotStages(dumper string, stages []string, of string) (template.HTML, error) {
	p := plot.New()
	p.Y.Label.Text, p.Y.Min, p.Y.Max = "share of "+of+", %", 0, 100
	p.Legend.Top = true
	var names []string
	values := make([]plotter.Values, len(stages))
	for _, w := range r.Workloads {
		median := map[string]float64{}
		sum := 0.0
		for _, s := range stages {
			v := r.Of(w.Name, dumper, Clock{s, func(x *Sample) float64 { return x.Stages[s] }})
			median[s] = spread(v).Median
			sum += median[s]
		}
		if sum == 0 {
			continue
		}
		names = append(names, short(w.Name, 14))
		for i, s := range stages {
			values[i] = append(values[i], 100*median[s]/sum)
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	width := min(vg.Points(18), (plotWidth-2*vg.Centimeter)/vg.Length(len(names))*0.7)
	var below *plotter.BarChart
	for i, s := range stages {
		bar, err := plotter.NewBarChart(values[i], width)
		if err != nil {
			return "", err
		}
		bar.Color, bar.LineStyle.Width = palette[i%len(palette)], 0
		if below != nil {
			bar.StackOn(below)
		}
		below = bar
		p.Add(bar)
		p.Legend.Add(s, bar)
	}
	p.NominalX(names...)
	p.X.Tick.Label.Rotation = math.Pi / 3
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YCenter
	p.X.Max += 0.35 * float64(len(names)) // room for the legend
	return render(p)
}

// render makes an SVG that scales to where it is put.
func render(p *plot.Plot) (template.HTML, error) {
	c := vgsvg.New(plotWidth, plotHeight)
	p.Draw(draw.New(c))
	var buf bytes.Buffer
	if _, err := c.WriteTo(&buf); err != nil {
		return "", err
	}
	s := buf.String()
	if i := strings.Index(s, "<svg"); i > 0 {
		s = s[i:] // without the XML header: it is part of a page
	}
	return template.HTML(s), nil
}

// timeTicks marks powers of ten with times.
type timeTicks struct{}

func (timeTicks) Ticks(low, high float64) []plot.Tick {
	ticks := plot.LogTicks{}.Ticks(low, high)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = strings.Replace(strings.Replace(human(ticks[i].Value), ".0 ", " ", 1), ".00 ", " ", 1)
		}
	}
	return ticks
}
