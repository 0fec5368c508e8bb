package loader

import (
	"golang.org/x/sys/unix"
)

// arena is populated memory that iterators are read into. It grows by whole
// chunks, so that what has been read never moves. It is Go's own memory: to
// unmap as much costs more than to read it.
type arena struct {
	chunks []chunk
	cur    int
}

type chunk struct {
	mem  []byte
	used int
}

const (
	arenaFirst = 64 << 10 // bytes; a look at the running target tells how much it takes
	arenaMost  = 64 << 20 // the largest chunk by which an arena grows
)

// reserve makes room for n bytes in all without a page fault.
func (a *arena) reserve(n int) {
	for _, c := range a.chunks {
		n -= len(c.mem) - seqSize
	}
	if n > 0 || len(a.chunks) == 0 {
		a.grow(n)
	}
}

func (a *arena) grow(n int) {
	n = (max(n, arenaFirst) + seqSize + arenaFirst - 1) &^ (arenaFirst - 1)
	mem := make([]byte, n)
	populate(mem)
	a.chunks = append(a.chunks, chunk{mem: mem})
}

// room is free memory for at least one full read of an iterator.
func (a *arena) room() []byte {
	for ; a.cur < len(a.chunks); a.cur++ {
		if c := &a.chunks[a.cur]; len(c.mem)-c.used >= seqSize {
			return c.mem[c.used:]
		}
	}
	a.grow(min(a.size(), arenaMost))
	return a.room()
}

// take counts n bytes of what room returned as used.
func (a *arena) take(n int) { a.chunks[a.cur].used += n }

// size is the number of bytes in use.
func (a *arena) size() int {
	n := 0
	for _, c := range a.chunks {
		n += c.used
	}
	return n
}

func (a *arena) reset() {
	for i := range a.chunks {
		a.chunks[i].used = 0
	}
	a.cur = 0
}

// populate has the kernel back mem with pages now, not at the first touch.
func populate(mem []byte) {
	if unix.Madvise(mem, unix.MADV_POPULATE_WRITE) == nil {
		return
	}
	for i := 0; i < len(mem); i += 4096 { // before Linux 5.14, or not aligned
		mem[i] = 0
	}
}

// each calls f with every record, in the order in which they were read, until
// f returns an error. A record is valid as long as the session is.
func (a *arena) each(f func(rec []byte) error) error {
	for _, c := range a.chunks {
		if err := eachRecord(c.mem[:c.used], f); err != nil {
			return err
		}
	}
	return nil
}

// mark is a place in what has been read.
type mark struct{ chunk, used int }

// mark is the end of what has been read so far.
func (a *arena) mark() mark {
	if a.cur >= len(a.chunks) {
		return mark{chunk: a.cur}
	}
	return mark{a.cur, a.chunks[a.cur].used}
}

// since calls f with every record read after m.
func (a *arena) since(m mark, f func(rec []byte) error) error {
	for i := m.chunk; i < len(a.chunks); i++ {
		c := &a.chunks[i]
		if err := eachRecord(c.mem[m.used:c.used], f); err != nil {
			return err
		}
		m.used = 0
	}
	return nil
}
