package bench

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A plot is as wide as a phone shows it, so that its text can be read there.
const plotWidth, plotHeight = 10 * vg.Centimeter, 7 * vg.Centimeter

// palette tells dumpers and stages apart, for the colour-blind too (Okabe and Ito).
var palette = []color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255},
	{230, 159, 0, 255}, {86, 180, 233, 255}, {90, 90, 90, 255}, {170, 160, 0, 255}, {120, 60, 160, 255},
}

func colourOf(i int) color.RGBA { return palette[i%len(palette)] }

func cssColour(i int) template.CSS {
	c := colourOf(i)
	return template.CSS(fmt.Sprintf("rgb(%d %d %d)", c.R, c.G, c.B))
}

// chart is a plot in the making. Its legend is part of the page, where it takes the room that
// it needs.
type chart struct {
	*plot.Plot
	keys []chartKey
}

// chartKey says what a line is.
type chartKey struct {
	Name   string
	Colour template.CSS
	Dashed bool
}

// newChart has a logarithmic axis of times upwards.
func newChart(x, y string) *chart {
	c := &chart{Plot: plot.New()}
	c.X.Label.Text, c.Y.Label.Text, c.Y.Scale, c.Y.Tick.Marker = x, y, plot.LogScale{}, timeTicks{}
	for _, f := range []*font.Font{&c.X.Label.TextStyle.Font, &c.Y.Label.TextStyle.Font, &c.X.Tick.Label.Font, &c.Y.Tick.Label.Font} {
		f.Variant, f.Size = "Sans", vg.Points(9)
	}
	c.Add(plotter.NewGrid())
	return c
}

// line adds one, if there is enough for it; i is its colour.
func (c *chart) line(name string, i int, points plotter.XYs, dashed, dots bool) error {
	if len(points) < 2 {
		return nil
	}
	line, marks, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	line.Color, line.Width = colourOf(i), vg.Points(1.5)
	marks.Color, marks.Shape = colourOf(i), draw.CircleGlyph{}
	if dashed {
		line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
	}
	c.Add(line)
	if dots {
		c.Add(marks)
	}
	c.keys = append(c.keys, chartKey{name, cssColour(i), dashed})
	return nil
}

// render makes a figure of the page, with an SVG that scales to where it is put; nil if there is no line.
func (c *chart) render(title string) (*figure, error) {
	if len(c.keys) == 0 {
		return nil, nil
	}
	canvas := vgsvg.New(plotWidth, plotHeight)
	c.Draw(draw.New(canvas))
	var buf bytes.Buffer
	if _, err := canvas.WriteTo(&buf); err != nil {
		return nil, err
	}
	s := buf.String()
	if i := strings.Index(s, "<svg"); i > 0 {
		s = s[i:] // without the XML header: it is part of a page
	}
	return &figure{Title: title, Keys: c.keys, SVG: template.HTML(s)}, nil
}

// figure is a plot as the page has it.
type figure struct {
	Title string
	Keys  []chartKey
	SVG   template.HTML
}

// companions are sweeps that are drawn into the plot of another one, dashed.
var companions = map[string]string{
	"memory": "huge pages", "threads": "calls that a freeze interrupts",
	"open files": "open files, ten kinds", "rewritten, uniform": "rewritten, zipfian",
}

// sweepFigures are the freeze times of all dumpers against what is swept.
func (r *Results) sweepFigures() (all []*figure, err error) {
	sweeps := r.Sweeps()
	for main, other := range companions {
		if slices.Contains(sweeps, main) {
			sweeps = slices.DeleteFunc(sweeps, func(s string) bool { return s == other })
		}
	}
	for _, sweep := range sweeps {
		f, err := r.plotSweep(sweep)
		if err != nil {
			return nil, fmt.Errorf("plot of %s: %w", sweep, err)
		}
		if f != nil {
			all = append(all, f)
		}
	}
	return all, nil
}

// plotSweep draws the freeze time of all dumpers against what a sweep varies, both
// logarithmic. Nil if there are no figures.
func (r *Results) plotSweep(sweep string) (*figure, error) {
	c := newChart(sweep, "frozen")
	xs := r.points(sweep)
	if len(xs) == 0 || xs[0] == xs[len(xs)-1] { // servers have no order
		return nil, nil
	}
	if xs[0] > 0 {
		c.X.Scale = plot.LogScale{}
	}
	c.X.Tick.Marker = pointTicks(xs, xs[0] > 0)
	for i, d := range r.Plan.Dumpers {
		if err := c.line(d, i, r.curve(sweep, d), false, true); err != nil {
			return nil, err
		}
	}
	other, drawn := companions[sweep], len(c.keys)
	for i, d := range r.Plan.Dumpers {
		if err := c.line(d+": "+other, i, r.curve(other, d), true, true); err != nil {
			return nil, err
		}
	}
	for _, w := range r.Workloads {
		if w.Sweep == sweep && w.Unit != "" {
			c.X.Label.Text = sweep + ", " + w.Unit
		}
	}
	title := "Freeze time against " + sweep
	if len(c.keys) > drawn {
		title += " (dashed: " + other + ")"
	}
	return c.render(title)
}

// points are the values of a sweep that was measured.
func (r *Results) points(sweep string) (xs []float64) {
	for _, w := range r.Workloads {
		if w.Sweep == sweep {
			xs = append(xs, w.Value)
		}
	}
	slices.Sort(xs)
	return xs
}

// curve is a dumper's frozen time at the points of a sweep.
func (r *Results) curve(sweep, dumper string) (points plotter.XYs) {
	for _, w := range r.Workloads {
		if v := r.Of(w.Name, dumper, Clocks[0]); w.Sweep == sweep && len(v) > 0 {
			points = append(points, plotter.XY{X: w.Value, Y: spread(v).Median})
		}
	}
	return points
}

// pointTicks marks the points of a sweep, with numbers where there is room.
func pointTicks(xs []float64, logarithmic bool) (ticks plot.ConstantTicks) {
	at := func(x float64) float64 {
		if logarithmic {
			return math.Log(x)
		}
		return x
	}
	room := (at(xs[len(xs)-1]) - at(xs[0])) / 8
	last := math.Inf(1) // from the right: the largest point is told
	for _, x := range slices.Backward(xs) {
		t := plot.Tick{Value: x}
		if last-at(x) >= room {
			t.Label, last = fmt.Sprintf("%.6g", x), at(x)
		}
		ticks = append(ticks, t)
	}
	return ticks
}

// timeTicks marks powers of ten with times, and what is in between where there are few.
type timeTicks struct{}

func (timeTicks) Ticks(low, high float64) []plot.Tick {
	ticks := plot.LogTicks{}.Ticks(low, high)
	for i := range ticks {
		t := &ticks[i]
		digit := t.Value / math.Pow(10, math.Floor(math.Log10(t.Value)+1e-9))
		if t.Label != "" || high/low < 100 && (math.Abs(digit-2) < 1e-6 || math.Abs(digit-5) < 1e-6) {
			t.Label = strings.Replace(strings.Replace(human(t.Value), ".0 ", " ", 1), ".00 ", " ", 1)
		}
	}
	return ticks
}
