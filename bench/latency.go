package bench

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/fastcr/fastcr/bench/openloop"
)

// Latency is how long answers took, from when their requests were to be sent: quantiles in
// microseconds.
type Latency struct {
	Requests int64   `json:"requests"`
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
	P999     float64 `json:"p99.9_us"`
	Max      float64 `json:"max_us"`
	// Histogram is HdrHistogram's V2 form of all of them, deflated, in base64; microseconds.
	Histogram string `json:"histogram,omitempty"`
}

// TimelineStep is how long one entry of Sample.Timeline is.
const TimelineStep = 2 * time.Millisecond

// maxLatency bounds what a histogram takes, in microseconds.
const maxLatency = int64(patience / time.Microsecond)

// latencies are those of the requests that were due in [from, to).
func latencies(points []openloop.Point, from, to time.Duration) Latency {
	h := newHistogram()
	for _, p := range points {
		if p.At >= from && p.At < to {
			_ = h.RecordValue(min(max(p.Latency.Microseconds(), 1), maxLatency))
		}
	}
	if h.TotalCount() == 0 {
		return Latency{}
	}
	l := Latency{
		Requests: h.TotalCount(), P50: float64(h.ValueAtQuantile(50)), P99: float64(h.ValueAtQuantile(99)),
		P999: float64(h.ValueAtQuantile(99.9)), Max: float64(h.Max()),
	}
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		panic("histogram: " + err.Error()) // into memory
	}
	l.Histogram = string(b)
	return l
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, maxLatency, 3) }

// during is all requests that were due during dumps of a workload by a dumper, of all rounds.
func (r *Results) during(workload, dumper string) (*hdrhistogram.Histogram, error) {
	all := newHistogram()
	for i := range r.Samples {
		s := &r.Samples[i]
		if s.Workload != workload || s.Dumper != dumper || s.Latency["during"].Histogram == "" {
			continue
		}
		h, err := hdrhistogram.Decode([]byte(s.Latency["during"].Histogram))
		if err != nil {
			return nil, fmt.Errorf("histogram of %s by %s, round %d: %w", workload, dumper, s.Round, err)
		}
		all.Merge(h)
	}
	return all, nil
}

// timeline is the longest latency of the requests due in each step.
func timeline(points []openloop.Point, until time.Duration) []float64 {
	line := make([]float64, until/TimelineStep+1)
	for _, p := range points {
		if i := int(p.At / TimelineStep); i < len(line) {
			line[i] = max(line[i], micros(p.Latency))
		}
	}
	return line
}

// answerRow is what clients saw of a server before, during or after dumps.
type answerRow struct {
	Workload, Dumper, When string
	Cells                  []string // p50, p99, p99.9 and the longest
}

func (r *Results) answers() (rows []answerRow) {
	quantiles := []func(Latency) float64{
		func(l Latency) float64 { return l.P50 }, func(l Latency) float64 { return l.P99 },
		func(l Latency) float64 { return l.P999 }, func(l Latency) float64 { return l.Max },
	}
	for _, w := range r.Servers() {
		for _, d := range r.Plan.Dumpers {
			for _, when := range []string{"before", "during", "after"} {
				row := answerRow{Workload: w, Dumper: d, When: when}
				for _, q := range quantiles {
					v := r.Of(w, d, Clock{when, func(s *Sample) float64 { return q(s.Latency[when]) }})
					if len(v) > 0 {
						row.Cells = append(row.Cells, human(spread(v).Median))
					}
				}
				if len(row.Cells) > 0 {
					rows = append(rows, row)
				}
			}
		}
	}
	return rows
}
