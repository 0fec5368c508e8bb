package bench

import (
	"fmt"
	"math"
	"slices"
)

// Spread is a handful of figures of one kind.
type Spread struct{ Median, Min, Max float64 }

func spread(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	m := v[len(v)/2]
	if len(v)%2 == 0 {
		m = (v[len(v)/2-1] + m) / 2
	}
	return Spread{m, v[0], v[len(v)-1]}
}

// Ratio is how many times b is a, pair by pair: dumps of the same round, which saw the
// same machine.
func ratio(a, b []float64) Spread {
	n := min(len(a), len(b))
	r := make([]float64, n)
	for i := range n {
		r[i] = b[i] / a[i]
	}
	return spread(r)
}

// noise is the factor by which two dumps of the same thing by the same dumper in
// neighbouring rounds usually differ: a ratio of two dumpers within it means nothing.
func noise(values []float64) float64 {
	if len(values) < 2 {
		return math.Inf(1)
	}
	var f []float64
	for i := range len(values) - 1 {
		f = append(f, math.Exp(math.Abs(math.Log(values[i+1]/values[i]))))
	}
	return spread(f).Median
}

// means tells whether a ratio is beyond the noise of both sides.
func means(r Spread, a, b []float64) bool {
	floor := max(noise(a), noise(b))
	return r.Median > floor || r.Median < 1/floor
}

// noiseFloor is noise to be read.
func noiseFloor(values []float64) string {
	switch n := noise(values); {
	case math.IsInf(n, 1):
		return "–"
	case n < 2:
		return fmt.Sprintf("±%.0f %%", 100*(n-1))
	default:
		return fmt.Sprintf("%.1f×", n)
	}
}
