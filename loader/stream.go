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
