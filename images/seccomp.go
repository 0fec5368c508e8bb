package images

import (
	"slices"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// seccompTable numbers filters; a filter that several threads share is in it once, or twice
// if it is handed to all threads of one process and not of another.
type seccompTable struct {
	index   map[seccompKey]uint32
	entries []*pb.SeccompFilter
}

type seccompKey struct {
	filter fastcr.KObj
	tsync  bool
}

const filterTsync = 1 // SECCOMP_FILTER_FLAG_TSYNC

func newSeccompTable() *seccompTable { return &seccompTable{index: map[seccompKey]uint32{}} }

// add takes a thread's chain, newest filter first, and returns the newest one's index.
func (s *seccompTable) add(chain []*fastcr.SeccompFilter, tsync bool) uint32 {
	f := chain[0]
	key := seccompKey{f.ID, tsync}
	if i, ok := s.index[key]; ok {
		return i
	}
	e := &pb.SeccompFilter{Filter: f.Prog}
	if len(chain) > 1 {
		e.Prev = u32(s.add(chain[1:], tsync))
	}
	flags := f.Flags
	if tsync {
		flags |= filterTsync
	}
	if flags != 0 {
		e.Flags = &flags
	}
	i := uint32(len(s.entries))
	s.entries = append(s.entries, e)
	s.index[key] = i
	return i
}

// addSeccomp writes a thread's mode and chain. One that all threads of a process share is
// their leader's, who hands it to them: a later SECCOMP_FILTER_FLAG_TSYNC of the program
// finds the same filters in all of them, not copies.
func (e *Encoder) addSeccomp(tc *pb.ThreadCoreEntry, p *fastcr.Process, t *fastcr.Thread) {
	if t.Seccomp.Mode == 0 {
		return
	}
	shared := sharedFilters(p)
	if shared && t != p.Threads[0] {
		return
	}
	tc.SeccompMode = pb.SeccompMode(t.Seccomp.Mode).Enum()
	if len(t.Seccomp.Filters) > 0 {
		tc.SeccompFilter = u32(e.seccomp.add(t.Seccomp.Filters, shared))
	}
}

// sharedFilters tells whether several threads have the same filters, and all of them.
func sharedFilters(p *fastcr.Process) bool {
	first := &p.Threads[0].Seccomp
	if len(p.Threads) < 2 || len(first.Filters) == 0 {
		return false
	}
	return !slices.ContainsFunc(p.Threads, func(t *fastcr.Thread) bool {
		return len(t.Seccomp.Filters) == 0 || t.Seccomp.Filters[0].ID != first.Filters[0].ID
	})
}

func (e *Encoder) writeSeccomp(d *Dir) error {
	w := newImage(magicSeccomp)
	if err := w.message(&pb.SeccompEntry{SeccompFilters: e.seccomp.entries}); err != nil {
		return err
	}
	return d.put("seccomp.img", w)
}
