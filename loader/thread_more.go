package loader

import (
	"fmt"

	"github.com/fastcr/fastcr"
)

// restOfThreads reads, still in the freeze, what dump_thread left: seccomp
// filters (once each), and queues and groups beyond what one call may write.
func restOfThreads(s *Session, st *stream) error {
	var left []*threadThreadRec
	err := st.arena.each(func(rec []byte) error {
		if recordType(rec) != recThread {
			return nil
		}
		r, _, err := view[threadThreadRec](rec)
		if err == nil && r.More != 0 {
			left = append(left, r)
		}
		return err
	})
	if err != nil {
		return err
	}
	seen := map[fastcr.KObj]bool{}
	for _, r := range left {
		if err := s.restOfThread(st, r, seen); err != nil {
			return fmt.Errorf("thread %d: %w", r.Tid, err)
		}
	}
	return nil
}

func (s *Session) restOfThread(st *stream, r *threadThreadRec, seen map[fastcr.KObj]bool) error {
	if r.More&moreSiginfo != 0 {
		if err := s.restOfQueue(st, r); err != nil {
			return err
		}
	}
	if r.More&moreGroups != 0 {
		for at := uint64(groupsOnce); at < uint64(r.Cred.Ngroups); at += groupsOnce {
			c := threadThreadPlace{Tid: r.Tid, What: moreGroups, Skip: at}
			if err := readMore(s, st, int(r.Tgid), &c); err != nil {
				return err
			}
		}
	}
	if r.More&moreSeccomp != 0 && !seen[fastcr.KObj(r.SeccompFilter)] {
		return s.seccompChain(st, r, seen)
	}
	return nil
}

// restOfQueue reads pending signals until a pass brings none.
func (s *Session) restOfQueue(st *stream, r *threadThreadRec) error {
	for at := uint64(siginfoOnce); ; at += siginfoOnce {
		before := st.arena.size()
		c := threadThreadPlace{Tid: r.Tid, What: moreSiginfo, Skip: at}
		if err := readMore(s, st, int(r.Tgid), &c); err != nil {
			return err
		}
		if st.arena.size() == before {
			return nil
		}
	}
}

// seccompChain reads filters from the newest on, until one that was read before.
func (s *Session) seccompChain(st *stream, r *threadThreadRec, seen map[fastcr.KObj]bool) error {
	c := threadThreadPlace{Tid: r.Tid, What: moreSeccomp, Filter: r.SeccompFilter}
	for c.Filter != 0 && !seen[fastcr.KObj(c.Filter)] {
		from := st.arena.mark()
		if err := readMore(s, st, int(r.Tgid), &c); err != nil {
			return err
		}
		start := c
		err := st.arena.since(from, func(rec []byte) error {
			f, _, err := view[threadThreadSeccomp](rec)
			if err != nil {
				return err
			}
			if c.Filter, c.Skip = f.Filter, uint64(f.First+f.N); c.Skip >= uint64(f.Len) {
				seen[fastcr.KObj(f.Filter)] = true
				c.Filter, c.Skip = f.Prev, 0
			}
			return nil
		})
		if err != nil {
			return err
		}
		if c == start {
			return nil // the thread has exited; in the freeze none does, and Decode misses it
		}
	}
	return nil
}
