package bench

import (
	"fmt"
	"html/template"
	"math"
	"slices"
)

// stages in the order in which they follow each other.
var stages = []string{"prepare", "freeze", "collect", "copy", "thaw", "encode", "sync"}

// frozenStages are those in which the target stands still.
var frozenStages = []string{"freeze", "collect", "copy", "thaw"}

// stageBars are bars of times, one below the other: what a dumper's time goes into, for each
// workload.
type stageBars struct {
	Title string
	Keys  []chartKey
	Bars  []stageBar
}

// stageBar is one workload's: parts of a whole.
type stageBar struct {
	Workload, Whole string
	Parts           []stagePart
}

type stagePart struct {
	Colour template.CSS
	Share  template.CSS // per cent
	Told   string
}

// fewWorkloads is how many have room for their frozen times side by side.
const fewWorkloads = 20

// frozenBars are the frozen times of all dumpers, side by side, on a logarithmic scale: nil if
// they are too many to be read, and curves tell more.
func (r *Results) frozenBars() *stageBars {
	if len(r.Workloads) > fewWorkloads {
		return nil
	}
	s := &stageBars{Title: "Frozen time, logarithmic"}
	for i, d := range r.Plan.Dumpers {
		s.Keys = append(s.Keys, chartKey{Name: d, Colour: cssColour(i)})
	}
	low, high := math.Inf(1), 0.0
	for i := range r.Samples {
		if v := r.Samples[i].Frozen; v > 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	if high == 0 {
		return nil
	}
	low /= 2 // the shortest is seen, too
	for _, w := range r.Workloads {
		name := w.Name
		for i, d := range r.Plan.Dumpers {
			v := r.spread(w.Name, d, "frozen").Median
			if v == 0 {
				continue
			}
			share := math.Log(v/low) / math.Log(high/low)
			s.Bars = append(s.Bars, stageBar{name, human(v), []stagePart{{cssColour(i), percent(share), d + " " + human(v)}}})
			name = ""
		}
	}
	return s
}

func percent(share float64) template.CSS { return template.CSS(fmt.Sprintf("%.2f%%", 100*share)) }

// stageBars sums up some of the stages of a dumper that tells them; nil if it tells none.
func (r *Results) stageBars(dumper string, of []string, title string) *stageBars {
	s := &stageBars{Title: title + ", " + dumper}
	for _, name := range of {
		s.Keys = append(s.Keys, chartKey{Name: name, Colour: stageColour(name)})
	}
	for _, w := range r.Workloads {
		median, whole := make([]float64, len(of)), 0.0
		for i, name := range of {
			median[i] = spread(r.Of(w.Name, dumper, Clock{name, func(x *Sample) float64 { return x.Stages[name] }})).Median
			whole += median[i]
		}
		if whole == 0 {
			continue
		}
		bar := stageBar{Workload: w.Name, Whole: human(whole)}
		for i, name := range of {
			bar.Parts = append(bar.Parts, stagePart{stageColour(name), percent(median[i] / whole), name + " " + human(median[i])})
		}
		s.Bars = append(s.Bars, bar)
	}
	if len(s.Bars) == 0 {
		return nil
	}
	return s
}

// stageColour is the same wherever a stage is drawn.
func stageColour(name string) template.CSS { return cssColour(slices.Index(stages, name)) }
