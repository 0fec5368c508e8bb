package images

import (
	"fmt"
	"os"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
	"github.com/fastcr/fastcr/memory"
)

// pagePresent is PE_PRESENT: the page is in the pages image.
const pagePresent = 4

// writePages writes pagemap-PID.img and the pages image that belongs to it.
func (e *Encoder) writePages(d *Dir, p *fastcr.Process) error {
	return e.pagesPair(d, fmt.Sprintf("pagemap-%d.img", p.PID), e.opts.Pages.Runs(p.PID),
		func(f *os.File) error { return e.opts.Pages.WriteTo(p.PID, f) })
}

// writeShared writes pagemap-shmem-ID.img and pages of every shared memory object
// that a VMA names.
func (e *Encoder) writeShared(d *Dir) error {
	for _, s := range e.opts.Shared {
		id, ok := e.shm[s.ID]
		if !ok {
			continue
		}
		if err := e.pagesPair(d, fmt.Sprintf("pagemap-shmem-%d.img", id), s.Runs, s.Data); err != nil {
			return err
		}
	}
	return nil
}

func (e *Encoder) pagesPair(d *Dir, name string, runs []memory.Run, data func(*os.File) error) error {
	e.pages++
	w := newImage(magicPagemap)
	if err := w.message(&pb.PagemapHead{PagesId: u32(e.pages)}); err != nil {
		return err
	}
	total := int64(0)
	for _, r := range runs {
		if err := w.message(&pb.PagemapEntry{
			Vaddr: u64(r.Start), CompatNrPages: u32(0), NrPages: u64(r.Pages), Flags: u32(pagePresent),
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
