package images

import (
	"fmt"
	"os"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
	"github.com/fastcr/fastcr/memory"
)

// Flags of pagemap entries.
const (
	pageLazy    = 2 // PE_LAZY: a restore may bring the page when it is asked for
	pagePresent = 4 // PE_PRESENT: the page is in the pages image
)

// writePages writes pagemap-PID.img and the pages image that belongs to it.
func (e *Encoder) writePages(d *Dir, p *fastcr.Process) error {
	return e.pagesPair(d, fmt.Sprintf("pagemap-%d.img", p.PID), lazySegments(e.opts.Pages.Runs(p.PID), lazyRanges(p)),
		func(f *os.File) error { return e.opts.Pages.WriteTo(p.PID, f) })
}

// lazyRanges are the mappings of p whose pages a restore may bring one by one.
func lazyRanges(p *fastcr.Process) (out []memory.Range) {
	const never = fastcr.VMMayShare | fastcr.VMLocked | fastcr.VMHugeTLB | fastcr.VMDroppable
	for i := range p.VMAs {
		if v := &p.VMAs[i]; v.Kind == fastcr.VMAAnonPrivate && v.Flags&never == 0 {
			out = append(out, memory.Range{Start: v.Start, End: v.End})
		}
	}
	return out
}

// segment is a run of pages of one kind (pagemap_entry).
type segment struct {
	memory.Run
	flags uint32
}

func plainSegments(runs []memory.Run) []segment {
	out := make([]segment, len(runs))
	for i, r := range runs {
		out[i] = segment{r, pagePresent}
	}
	return out
}

// lazySegments splits runs where mappings begin or end that can be restored
// lazily (criu lazy-pages): those that nothing but these pages is behind. Both
// runs and lazy are in ascending order.
func lazySegments(runs []memory.Run, lazy []memory.Range) []segment {
	out := make([]segment, 0, len(runs)+len(lazy))
	for _, r := range runs {
		for start, end := r.Start, r.Start+r.Bytes(); start < end; {
			for len(lazy) > 0 && lazy[0].End <= start {
				lazy = lazy[1:]
			}
			stop, flags := end, uint32(pagePresent)
			if len(lazy) > 0 && lazy[0].Start <= start {
				stop, flags = min(end, lazy[0].End), pagePresent|pageLazy
			} else if len(lazy) > 0 {
				stop = min(end, lazy[0].Start)
			}
			out = appendSegment(out, segment{memory.Run{Start: start, Pages: (stop - start) / memory.PageSize}, flags})
			start = stop
		}
	}
	return out
}

// appendSegment makes one of two segments that touch and are alike.
func appendSegment(out []segment, s segment) []segment {
	if n := len(out); n > 0 && out[n-1].flags == s.flags && out[n-1].Start+out[n-1].Bytes() == s.Start {
		out[n-1].Pages += s.Pages
		return out
	}
	return append(out, s)
}

func (e *Encoder) pagesPair(d *Dir, name string, segments []segment, data func(*os.File) error) error {
	e.pages++
	w := newImage(magicPagemap)
	if err := w.message(&pb.PagemapHead{PagesId: u32(e.pages)}); err != nil {
		return err
	}
	total := int64(0)
	for _, r := range segments {
		if err := w.message(&pb.PagemapEntry{
			Vaddr: u64(r.Start), CompatNrPages: u32(0), NrPages: u64(r.Pages), Flags: u32(r.flags),
		}); err != nil {
			return err
		}
		total += int64(r.Bytes())
	}
	if err := d.put(name, w); err != nil {
		return err
	}
	f, err := d.create(fmt.Sprintf("pages-%d.img", e.pages))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := data(f); err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("size of pages image: %w", err)
	}
	if st.Size() != total {
		return fmt.Errorf("%s names %d bytes of pages, %s has %d", name, total, f.Name(), st.Size())
	}
	return f.Close()
}
