package memory

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// hugePage is the size of a transparent huge page, in bytes.
const hugePage = 2 << 20

// Buffer is memory outside of Go's heap that takes the pages. More is reserved than is
// prefaulted: a process that grew since the look costs page faults, not a
// second buffer.
type Buffer struct {
	all []byte // as mapped
	mem []byte // the part that is used: begins with a huge page
}

// NewBuffer reserves reserve bytes and prefaults the first ready of them with
// as many workers. First touch of memory inside the freeze would cost up to 3 s a
// GiB.
func NewBuffer(reserve, ready uint64, workers int) (*Buffer, error) {
	reserve = max(roundUp(reserve, hugePage), hugePage)
	ready = min(roundUp(ready, PageSize), reserve)
	// One huge page more, so that the start can be aligned.
	all, err := unix.Mmap(-1, 0, int(reserve+hugePage), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes for pages: %w", reserve, err)
	}
	skip := roundUp(addressOf(all), hugePage) - addressOf(all)
	b := &Buffer{all: all, mem: all[skip : skip+reserve]}
	if ready >= hugePage {
		_ = unix.Madvise(all, unix.MADV_HUGEPAGE) // without them it works too, slower
	}
	// The target's memory has no place in a core dump of ours.
	_ = unix.Madvise(all, unix.MADV_DONTDUMP)
	if err := populate(b.mem[:ready], workers); err != nil {
		b.Free()
		return nil, err
	}
	return b, nil
}

// populate touches memory for writing, in parallel (MADV_POPULATE_WRITE, 5.14).
func populate(mem []byte, workers int) error {
	if len(mem) <= hugePage {
		workers = 1
	}
	share := int(roundUp(uint64(len(mem))/uint64(max(workers, 1))+1, hugePage))
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	for len(mem) > 0 {
		part := mem[:min(share, len(mem))]
		mem = mem[len(part):]
		wg.Go(func() {
			if err := unix.Madvise(part, unix.MADV_POPULATE_WRITE); err != nil {
				once.Do(func() { first = fmt.Errorf("prefault %d bytes: %w", len(part), err) })
			}
		})
	}
	wg.Wait()
	return first
}

// Free gives the memory back.
func (b *Buffer) Free() {
	if b.all != nil {
		unix.Munmap(b.all)
		b.all, b.mem = nil, nil
	}
}

func roundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }
