package memory

import (
	"errors"
	"fmt"

	"github.com/fastcr/fastcr"
)

// ErrChanged is wrapped when a process mapped private memory, after it was looked at,
// where the look saw none to be scanned: the checkpoint has to be tried again.
var ErrChanged = errors.New("mappings changed while the process was being frozen")

const (
	// anonymousWorth is how many bytes of anonymous mappings are worth an ioctl of their own (2 µs;
	// 13 ns are saved for each page).
	anonymousWorth = 4 << 20
	// sharedWorth is how many bytes of shared mappings are worth an ioctl to leave them out (9 ns a page).
	sharedWorth = 1 << 20
)

// areaClass is how an area of the address space is to be scanned.
type areaClass uint8

const (
	areaFree      areaClass = iota // nothing mapped
	areaMixed                      // private mappings of files, perhaps others
	areaAnonymous                  // private anonymous mappings
	areaShared                     // their pages belong to an object: nothing to find, if it costs time
	areaNever                      // scanning would find pages that must not be read
	areaWhole
)

type area struct {
	start, end uint64
	mapped     uint64 // bytes
	class      areaClass
}

// classOf is the class of a mapping.
func classOf(v *fastcr.VMA) areaClass {
	switch v.Kind {
	case fastcr.VMAVdso, fastcr.VMAAIORing:
		return areaWhole
	case fastcr.VMAVvar, fastcr.VMAVsyscall, fastcr.VMAUnsupported, fastcr.VMAUprobes:
		return areaNever
	}
	switch {
	case v.Flags&(fastcr.VMPFNMap|fastcr.VMIO|fastcr.VMDroppable) != 0:
		return areaNever
	case v.Flags&fastcr.VMShared != 0:
		return areaShared
	case v.Kind == fastcr.VMAAnonPrivate || v.Kind == fastcr.VMAHugetlbAnon:
		return areaAnonymous
	case v.Kind == fastcr.VMAFilePrivate, v.Kind == fastcr.VMAMemfd && v.Flags&fastcr.VMMayShare == 0:
		return areaMixed
	}
	return areaShared
}

// Areas is what has to be scanned of an address space with these mappings (ascending):
// all of it, so that what is mapped later is found too, without mappings that hold no private
// pages. Confine checks afterwards that this was right.
func Areas(vmas []fastcr.VMA) []Range {
	mapped := make([]area, 0, len(vmas))
	for i := range vmas {
		v := &vmas[i]
		mapped = append(mapped, area{v.Start, v.End, v.End - v.Start, classOf(v)})
	}
	return toScan(mapped)
}

func toScan(mapped []area) (out []Range) {
	areas := joinFree(cutAreas(mapped))
	for i := range areas {
		switch a := &areas[i]; {
		case a.class == areaWhole:
			out = append(out, Range{a.start, a.end, KindWhole})
		case a.class == areaNever, a.class == areaShared && a.mapped >= sharedWorth:
		case a.class == areaAnonymous && a.mapped >= anonymousWorth:
			out = appendRange(out, a.start, a.end, KindAnonymous)
		default:
			out = appendRange(out, a.start, a.end, KindMixed)
		}
	}
	return out
}

// cutAreas puts free areas between mapped ones.
func cutAreas(mapped []area) []area {
	out := make([]area, 0, 2*len(mapped)+1)
	at := uint64(0)
	for _, m := range mapped {
		if free := min(m.start, TaskSize); free > at { // the vsyscall page is far behind
			out = append(out, area{start: at, end: free})
		}
		out = append(out, m)
		at = m.end
	}
	if at < TaskSize {
		out = append(out, area{start: at, end: TaskSize})
	}
	return out
}

// joinFree joins neighbours of one class, over free areas where their class is scanned.
func joinFree(areas []area) []area {
	out := areas[:0]
	for _, a := range areas {
		if len(out) == 0 {
			out = append(out, a)
			continue
		}
		last := &out[len(out)-1]
		scanned := last.class == areaMixed || last.class == areaAnonymous
		switch {
		case a.class == last.class && a.class != areaWhole, a.class == areaFree && scanned:
			last.end, last.mapped = a.end, last.mapped+a.mapped
		case last.class == areaFree && (a.class == areaMixed || a.class == areaAnonymous):
			a.start = last.start
			*last = a
		default:
			out = append(out, a)
		}
	}
	return out
}

// Confine keeps, of what was copied from the process, the pages in its private mappings
// as they were in the freeze, which may be others than those that areas were made of. It is
// called before Runs and WriteTo are used. ErrChanged when a private mapping was not scanned.
func (s *Source) Confine(vmas []fastcr.VMA, areas []Range) error {
	var keep []Range
	for i := range vmas {
		v := &vmas[i]
		switch class := classOf(v); class {
		case areaWhole, areaAnonymous, areaMixed:
			if !covers(areas, v.Start, v.End, class == areaWhole) {
				return fmt.Errorf("process %d, mapping %x-%x: %w", s.PID, v.Start, v.End, ErrChanged)
			}
			keep = appendRange(keep, v.Start, v.End, KindMixed)
		}
	}
	s.Runs, s.kept = confine(s.Runs, keep, s.off)
	return nil
}

// covers tells whether [start, end) is in areas, in those of KindWhole if whole.
func covers(areas []Range, start, end uint64, whole bool) bool {
	for _, a := range areas {
		if a.Start <= start && start < a.End && (!whole || a.Kind == KindWhole) {
			if start = a.End; start >= end {
				return true
			}
		}
	}
	return false
}

// confine cuts runs, whose bytes lie in the copy from off on, to keep (ascending).
// It returns what is left, and where in the copy its bytes are.
func confine(runs []Run, keep []Range, off uint64) (left []Run, spans []span) {
	for _, r := range runs {
		for len(keep) > 0 && keep[0].End <= r.Start {
			keep = keep[1:]
		}
		for _, k := range keep {
			if k.Start >= r.End() {
				break
			}
			start, end := max(k.Start, r.Start), min(k.End, r.End())
			left = appendRun(left, start, end)
			spans = appendSpan(spans, off+start-r.Start, end-start)
		}
		off += r.Bytes()
	}
	return left, spans
}

// span is a range of the whole copy.
type span struct{ off, bytes uint64 }

func appendSpan(spans []span, off, bytes uint64) []span {
	if n := len(spans); n > 0 && spans[n-1].off+spans[n-1].bytes == off {
		spans[n-1].bytes += bytes
		return spans
	}
	return append(spans, span{off, bytes})
}
