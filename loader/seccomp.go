package loader

import (
	"fmt"

	"github.com/fastcr/fastcr"
)

const seccompFilter = 2 // SECCOMP_MODE_FILTER

// filters are the seccomp filters that were read, by address. Threads share
// them, and a longer chain ends in a shorter one.
type filters map[fastcr.KObj]*filter

type filter struct {
	fastcr.SeccompFilter
	prev fastcr.KObj
	want int // bytes of Prog
}

// decodeSeccomp decodes a filter, or the next part of one.
func decodeSeccomp(rec []byte, b *builder) error {
	r, rest, err := view[threadThreadSeccomp](rec)
	if err != nil {
		return err
	}
	if uint64(r.N)*8 > uint64(len(rest)) {
		return fmt.Errorf("%w: filter: %d instructions in %d bytes", errRecord, r.N, len(rest))
	}
	id := fastcr.KObj(r.Filter)
	f := b.filters[id]
	if f == nil {
		f = &filter{
			SeccompFilter: fastcr.SeccompFilter{ID: id, Flags: r.Flags},
			prev:          fastcr.KObj(r.Prev),
			want:          int(r.Len) * 8,
		}
		b.filters[id] = f
	}
	if uint64(r.First)*8 != uint64(len(f.Prog)) {
		return nil // read before, for another thread
	}
	f.Prog = append(f.Prog, rest[:r.N*8]...)
	return nil
}

// chain is the filter with this address and all older ones.
func (fs filters) chain(id fastcr.KObj) ([]*fastcr.SeccompFilter, error) {
	var chain []*fastcr.SeccompFilter
	for id != 0 && len(chain) <= len(fs) {
		f := fs[id]
		switch {
		case f == nil:
			return nil, fmt.Errorf("%w: a seccomp filter is missing", errRecord)
		case f.want == 0:
			return nil, fmt.Errorf("seccomp filter: %w: the kernel keeps no copy of its program (CONFIG_CHECKPOINT_RESTORE)", fastcr.ErrNotSupported)
		case len(f.Prog) != f.want:
			return nil, fmt.Errorf("%w: seccomp filter has %d bytes of %d", errRecord, len(f.Prog), f.want)
		}
		chain = append(chain, &f.SeccompFilter)
		id = f.prev
	}
	if id != 0 {
		return nil, fmt.Errorf("%w: seccomp filters form a ring", errRecord)
	}
	return chain, nil
}
