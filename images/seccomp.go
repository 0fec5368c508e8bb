package images

import (
	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// seccompTable numbers filters; a filter that several threads share is in it once.
type seccompTable struct {
	index   map[fastcr.KObj]uint32
	entries []*pb.SeccompFilter
}

func newSeccompTable() *seccompTable { return &seccompTable{index: map[fastcr.KObj]uint32{}} }

// add takes a thread's chain, newest filter first, and returns the newest one's index.
func (s *seccompTable) add(chain []*fastcr.SeccompFilter) uint32 {
	f := chain[0]
	if i, ok := s.index[f.ID]; ok {
		return i
	}
	e := &pb.SeccompFilter{Filter: f.Prog}
	if len(chain) > 1 {
		e.Prev = u32(s.add(chain[1:]))
	}
	if f.Flags != 0 {
		e.Flags = u32(f.Flags)
	}
	i := uint32(len(s.entries))
	s.entries = append(s.entries, e)
	s.index[f.ID] = i
	return i
}

func (e *Encoder) writeSeccomp(d *Dir) error {
	w := newImage(magicSeccomp)
	if err := w.message(&pb.SeccompEntry{SeccompFilters: e.seccomp.entries}); err != nil {
		return err
	}
	return d.put("seccomp.img", w)
}
