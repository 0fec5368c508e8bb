// Package memory finds the pages of a process that belong into an image and
// copies them. Which pages, how they are copied and where they go are kept
// apart: Scanner, Copier and Buffer.
package memory

import "os"

// PageSize is the size of a page in bytes.
var PageSize = uint64(os.Getpagesize())

// Run is a run of pages with consecutive addresses.
type Run struct {
	Start uint64 // address, page-aligned
	Pages uint64
}

// End is the address behind the run.
func (r Run) End() uint64 { return r.Start + r.Pages*PageSize }

// Bytes is the run's length in bytes.
func (r Run) Bytes() uint64 { return r.Pages * PageSize }

// Range is a range of addresses [Start, End), page-aligned.
type Range struct{ Start, End uint64 }

// countPages is the number of pages of all runs.
func countPages(runs []Run) (n uint64) {
	for _, r := range runs {
		n += r.Pages
	}
	return n
}

// appendRun adds [start, end) behind runs and merges it with the last one where
// they touch. start must not be below the last run's end.
func appendRun(runs []Run, start, end uint64) []Run {
	if start >= end {
		return runs
	}
	if n := len(runs); n > 0 && runs[n-1].End() == start {
		runs[n-1].Pages += (end - start) / PageSize
		return runs
	}
	return append(runs, Run{start, (end - start) / PageSize})
}
