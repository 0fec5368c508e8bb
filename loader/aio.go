package loader

import (
	"fmt"

	"github.com/fastcr/fastcr"
)

const recAIO = 121

// decodeAIO is struct kioctx.
func decodeAIO(rec []byte, b *builder) error {
	if recordType(rec) != recAIO {
		return fmt.Errorf("%w: type %d", errRecord, recordType(rec))
	}
	r, _, err := view[aioAioRec](rec)
	if err != nil || r.Tgid == 0 {
		return err
	}
	if p := b.process(int(r.Tgid)); p.MM != nil {
		p.MM.AIO = append(p.MM.AIO, aioContext(r))
	}
	return nil
}

func aioContext(r *aioAioRec) fastcr.AIOContext {
	return fastcr.AIOContext{
		ID: r.Id, Size: r.Size, File: fastcr.KObj(r.File), Events: r.Events, Tail: r.Tail, InFlight: r.Inflight, Waiting: r.Waiting,
	}
}

// restOfAIO reads the contexts that dump_aio had no room for.
func restOfAIO(s *Session, st *stream) error {
	var from mark
	for {
		var left []aioAioPlace
		err := st.arena.since(from, func(rec []byte) error {
			r, _, err := view[aioAioRec](rec)
			if err == nil && r.More != 0 {
				left = append(left, aioAioPlace{Pid: r.Tgid, Skip: r.Place + 1})
			}
			return err
		})
		if err != nil || len(left) == 0 {
			return err
		}
		from = st.arena.mark()
		for i := range left {
			if err := readMore(s, st, int(left[i].Pid), &left[i]); err != nil {
				return fmt.Errorf("contexts of process %d: %w", left[i].Pid, err)
			}
		}
	}
}

// EachAIOUser calls f with every process that the last Collect met and that has, or had, an AIO
// context, without decoding or allocating.
func (s *Session) EachAIOUser(f func(pid int)) error {
	return s.each("process", func(rec []byte) error {
		if recordType(rec) != recProcess {
			return nil
		}
		r, _, err := view[processProcessRec](rec)
		if err == nil && r.Ioctx != 0 && r.Pid != 0 {
			f(int(r.Pid))
		}
		return err
	})
}

// PickAIO makes iterators over the AIO contexts of these processes. Decode has what ReadAIO
// read last.
func (s *Session) PickAIO(pids []int) error {
	st := s.source("aio")
	for _, pid := range pids {
		if err := st.add(pid); err != nil {
			return err
		}
	}
	return nil
}

// ReadAIO reads the contexts, once after PickAIO or RearmAIO.
func (s *Session) ReadAIO() error {
	if err := s.source("aio").read(s); err != nil {
		return fmt.Errorf("aio: %w", err)
	}
	return nil
}

// RearmAIO makes ReadAIO callable again.
func (s *Session) RearmAIO() error { return s.source("aio").rearm() }

// EachAIO calls f with the contexts that ReadAIO met, without allocating.
func (s *Session) EachAIO(f func(pid int, c fastcr.AIOContext) error) error {
	return s.each("aio", func(rec []byte) error {
		r, _, err := view[aioAioRec](rec)
		if err != nil {
			return err
		}
		return f(int(r.Tgid), aioContext(r))
	})
}
