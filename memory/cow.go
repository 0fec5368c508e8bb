package memory

import "github.com/fastcr/fastcr"

// Forked is what of an address space may have pages that other processes share until
// somebody writes (after a fork, or with MADV_MERGEABLE). process_vm_readv pins what it
// reads, and the kernel gives a process a copy of its own of a page to be pinned: reading a
// forked server's memory that way would make it twice as large.
func Forked(vmas []fastcr.VMA) (out []Range) {
	for i := range vmas {
		if v := &vmas[i]; v.Forked || v.Flags&fastcr.VMMergeable != 0 {
			out = appendRange(out, v.Start, v.End, KindMixed)
		}
	}
	return out
}

// Cow appends to dst the pages of runs in forked (both ascending) that are mapped more
// than once: they are to be read through /proc/PID/mem, which leaves them as they are.
func (s *Scanner) Cow(runs []Run, forked []Range, dst []Range) (_ []Range, err error) {
	for _, r := range runs {
		for len(forked) > 0 && forked[0].End <= r.Start {
			forked = forked[1:]
		}
		for _, f := range forked {
			if f.Start >= r.End() {
				break
			}
			if dst, err = s.cowIn(max(f.Start, r.Start), min(f.End, r.End()), dst); err != nil {
				return dst, err
			}
		}
	}
	return dst, nil
}

// cowIn reads the entries of [start, end).
func (s *Scanner) cowIn(start, end uint64, dst []Range) ([]Range, error) {
	for start < end {
		entries, err := s.readEntries(start, end)
		if err != nil {
			return dst, err
		}
		for ; len(entries) >= 8; entries = entries[8:] {
			if e := nativeUint64(entries); e&pmPresent != 0 && e&pmAlone == 0 {
				dst = appendRange(dst, start, start+PageSize, KindMixed)
			}
			start += PageSize
		}
	}
	return dst, nil
}
