package loader

import "fmt"

// enum process_more, and how much dump_process writes at most.
const (
	moreQueue  = 1
	moreTimers = 2

	queueOnce  = 96
	timersOnce = 56
)

// restOfProcesses reads, still in the freeze, what dump_process left: signals
// and timers beyond what one call may write. Queues before timers, as there.
func restOfProcesses(s *Session, st *stream) error {
	var left []*processProcessRec
	err := st.arena.each(func(rec []byte) error {
		if recordType(rec) != recProcess {
			return nil
		}
		r, _, err := view[processProcessRec](rec)
		if err == nil && r.More != 0 && r.Pid != 0 {
			left = append(left, r)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range left {
		if r.More&moreQueue != 0 {
			err = s.restOfProcess(st, r.Pid, moreQueue, queueOnce)
		}
		if err == nil && r.More&moreTimers != 0 {
			err = s.restOfProcess(st, r.Pid, moreTimers, timersOnce)
		}
		if err != nil {
			return fmt.Errorf("process %d: %w", r.Pid, err)
		}
	}
	return nil
}

// restOfProcess reads a list on until a pass brings nothing.
func (s *Session) restOfProcess(st *stream, pid uint32, what uint32, once uint64) error {
	for at := once; ; at += once {
		before := st.arena.size()
		c := processProcessPlace{Pid: pid, What: what, Skip: at}
		if err := readMore(s, st, int(pid), &c); err != nil {
			return err
		}
		if st.arena.size() == before {
			return nil
		}
	}
}
