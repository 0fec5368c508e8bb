package loader

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// Session reads the state of one process tree. One goroutine uses it, and is
// locked to its thread until Close: the programs keep scratch memory for each
// thread that reads, which a first look makes and the next one finds.
//
//	s, err := l.NewSession(pids) // running: iterators made, memory populated
//	s.Collect()                  // a look at the running tree: how much there is
//	s.Rearm()                    // fresh iterators, room for more than that
//	freeze; s.Add(forked); s.Collect(); s.EachFile(…); thaw
//	tree, err := s.Decode()
type Session struct {
	l       *Loader
	self    int // pidfd of fastcr: whose cursor the programs read
	pids    []int
	streams []stream
	began   int64 // CLOCK_MONOTONIC at the last Collect
	beside  int   // the stream that is read at the same time as the others, -1: none
}

// NewSession makes the iterators over these processes (thread group ids in
// fastcr's pid namespace) and memory for what they will give.
func (l *Loader) NewSession(pids []int) (*Session, error) {
	self, err := unix.PidfdOpen(unix.Getpid(), 0)
	if err != nil {
		return nil, fmt.Errorf("open own pidfd: %w", err)
	}
	runtime.LockOSThread()
	s := &Session{l: l, self: self, beside: -1, streams: make([]stream, len(sources))}
	for i := range s.streams {
		st := &s.streams[i]
		st.src, st.progFD, st.more = &sources[i], l.objects[i].prog, l.objects[i].more
		st.arena.reserve(arenaFirst)
	}
	if err := s.Add(pids); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Add takes further processes in, which were forked since.
func (s *Session) Add(pids []int) error {
	for _, pid := range pids {
		for i := range s.streams {
			if s.streams[i].src.picked {
				continue
			}
			if err := s.streams[i].add(pid); err != nil {
				return err
			}
		}
		s.pids = append(s.pids, pid)
	}
	return nil
}

// Rearm makes Collect callable again. What was read before is forgotten, but
// memory is made ready for half as much again.
func (s *Session) Rearm() error {
	s.divide()
	for i := range s.streams {
		if s.streams[i].src.picked {
			continue
		}
		if err := s.streams[i].rearm(); err != nil {
			return err
		}
	}
	return nil
}

// Drop forgets processes that are gone.
func (s *Session) Drop(pids []int) {
	gone := func(pid int) bool { return slices.Contains(pids, pid) }
	s.pids = slices.DeleteFunc(s.pids, gone)
	for i := range s.streams {
		st := &s.streams[i]
		st.readers = slices.DeleteFunc(st.readers, func(r reader) bool {
			if gone(r.pid) {
				r.close()
				return true
			}
			return false
		})
	}
}

// Collect reads every iterator to its end. Inside the freeze this is all there is.
func (s *Session) Collect() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("read the clock: %w", err)
	}
	s.began = now.Nano()
	if s.beside >= 0 {
		return s.collectBeside()
	}
	for i := range s.streams {
		if s.streams[i].src.late {
			continue
		}
		if err := s.streams[i].read(s); err != nil {
			return err
		}
	}
	return nil
}

// collectBeside has another processor read the longest stream.
func (s *Session) collectBeside() error {
	long := &s.streams[s.beside]
	done := make(chan error, 1)
	go func() { done <- long.read(s) }()
	var err error
	for i := range s.streams {
		if i != s.beside && !s.streams[i].src.late && err == nil {
			err = s.streams[i].read(s)
		}
	}
	if other := <-done; err == nil {
		err = other
	}
	return err
}

// worthwhile is how long a stream must take, and the others together, for a
// second processor to be woken.
const worthwhile = 300 * time.Microsecond

// divide looks at what the last Collect took and decides how the next one is done.
func (s *Session) divide() {
	s.beside = -1
	if runtime.GOMAXPROCS(0) < 2 {
		return
	}
	var all, longest time.Duration
	at := -1
	for i := range s.streams {
		took := s.streams[i].took
		all += took
		if took > longest {
			longest, at = took, i
		}
	}
	if longest > worthwhile && all-longest > worthwhile {
		s.beside = at
	}
}

// each calls f with every raw record of the named source.
func (s *Session) each(name string, f func(rec []byte) error) error {
	return s.source(name).arena.each(f)
}

// Decode turns what the last Collect read of a frozen tree into root types.
func (s *Session) Decode() (*fastcr.Tree, error) { return s.decode(false) }

// Look is Decode for a tree that ran while it was read: something that went or
// changed meanwhile, like a thread that exited, is no error.
func (s *Session) Look() (*fastcr.Tree, error) { return s.decode(true) }

func (s *Session) decode(running bool) (*fastcr.Tree, error) {
	b := newBuilder()
	b.running = running
	if !running {
		b.began = s.began
	}
	for i := range s.streams {
		st := &s.streams[i]
		err := st.arena.each(func(rec []byte) error { return st.src.decode(rec, b) })
		if err != nil {
			return nil, fmt.Errorf("decode %s: %w", st.src.name, err)
		}
	}
	return b.tree()
}

// Close releases the iterators. A decoded tree stays valid.
func (s *Session) Close() {
	for i := range s.streams {
		st := &s.streams[i]
		for j := range st.readers {
			st.readers[j].close()
		}
	}
	if s.streams != nil {
		_ = unix.Close(s.self)
		runtime.UnlockOSThread()
	}
	s.streams = nil
}
