// Package memory finds the pages of a process that belong into an image and
// copies them. Three questions are kept apart:
//
//   - which pages: [Areas] (from mappings), [Scanner] (from pagemap), [Shm] (from a shared object);
//   - how they are copied: [Copier], from a [Source] for each process or object;
//   - where they go: [Buffer] (memory outside of Go's heap) and [Spill] (a file, beyond the limit).
//
// Before the freeze everything is opened, sized and prefaulted; Scan and Copy are
// what runs in it; Confine and WriteTo follow the thaw.
package memory

import "os"

// PageSize is the size of a page in bytes.
var PageSize = uint64(os.Getpagesize())

// Run is a run of pages with consecutive addresses.
type Run struct {
	Start uint64 // address (of a shared object: offset) in bytes, page-aligned
	Pages uint64
}

// End is the address behind the run.
func (r Run) End() uint64 { return r.Start + r.Pages*PageSize }

// Bytes is the run's length in bytes.
func (r Run) Bytes() uint64 { return r.Pages * PageSize }

// Kind tells how the pages of a Range are chosen.
type Kind uint8

const (
	// KindMixed: pages that are still those of a file are left out.
	KindMixed Kind = iota
	// KindAnonymous: no page belongs to a file, so the kernel need not look: two to four times faster.
	// Where it is wrong, more pages are found than needed, never fewer.
	KindAnonymous
	// KindWhole: every page, whatever pagemap says. CRIU wants the vdso and AIO rings whole; both
	// are mappings that the kernel itself fills, where a read neither blocks nor allocates pages.
	KindWhole
)

// Range is a range of addresses [Start, End) in bytes, page-aligned.
type Range struct {
	Start, End uint64
	Kind       Kind
}

// countPages is the number of pages of all runs.
func countPages(runs []Run) (n uint64) {
	for i := range runs {
		n += runs[i].Pages
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

// appendRange is appendRun for ranges.
func appendRange(ranges []Range, start, end uint64, kind Kind) []Range {
	if start >= end {
		return ranges
	}
	if n := len(ranges); n > 0 && ranges[n-1].End == start && ranges[n-1].Kind == kind {
		ranges[n-1].End = end
		return ranges
	}
	return append(ranges, Range{start, end, kind})
}
