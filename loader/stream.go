package loader

import (
	"fmt"
	"time"
)

// stream is one source's iterators, one a process, and what they gave.
type stream struct {
	src     *source
	progFD  int
	more    more
	readers []reader
	arena   arena
	took    time.Duration // of the last read
}

// add makes an iterator over one more process.
func (st *stream) add(pid int) error {
	r := reader{pid: pid, fd: -1}
	if err := r.open(st.progFD); err != nil {
		return fmt.Errorf("%s: %w", st.src.name, err)
	}
	st.readers = append(st.readers, r)
	return nil
}

// rearm makes fresh iterators, and memory for half as much again as was read, which is forgotten.
func (st *stream) rearm() error {
	n := st.arena.size()
	st.arena.reset()
	st.arena.reserve(n + n/2)
	for i := range st.readers {
		if err := st.readers[i].open(st.progFD); err != nil {
			return fmt.Errorf("%s: %w", st.src.name, err)
		}
	}
	return nil
}

// read reads every iterator to its end, and then what one pass has left.
func (st *stream) read(s *Session) error {
	start := time.Now()
	for i := range st.readers {
		if err := st.readers[i].read(&st.arena); err != nil {
			return fmt.Errorf("%s: %w", st.src.name, err)
		}
	}
	if st.src.rest != nil {
		if err := st.src.rest(s, st); err != nil {
			return fmt.Errorf("%s: %w", st.src.name, err)
		}
	}
	st.took = time.Since(start)
	return nil
}
