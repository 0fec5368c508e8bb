package bench

import (
	"fmt"
	"html/template"
	"slices"
)

// stages in the order in which they follow each other.
var stages = []string{"prepare", "freeze", "collect", "copy", "thaw", "encode", "sync"}

// frozenStages are those in which the target stands still.
var frozenStages = []string{"freeze", "collect", "copy", "thaw"}

// stageBars are what a dumper's time goes into, a bar for each workload.
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
			bar.Parts = append(bar.Parts, stagePart{stageColour(name), template.CSS(fmt.Sprintf("%.2f%%", 100*median[i]/whole)), name + " " + human(median[i])})
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
