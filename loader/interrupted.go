package loader

import "github.com/fastcr/fastcr"

// EachInterrupted calls f with every thread whose system call the freeze has
// made return EINTR, for no signal (those that Decode marks as Restarted). It
// allocates nothing: it can be called in the freeze, after Collect.
func (s *Session) EachInterrupted(f func(pid, tid int) error) error {
	return s.each("thread", func(rec []byte) error {
		if recordType(rec) != recThread {
			return nil
		}
		r, _, err := view[threadThreadRec](rec)
		if err != nil {
			return err
		}
		blocked := r.Blocked
		if r.RestoreSigmask != 0 {
			blocked = r.SavedSigmask
		}
		regs := decodeRegs(r)
		if endedByFreeze(&regs, (r.Pending|r.SharedPending)&^blocked) == "" {
			return nil
		}
		return f(int(r.Tgid), int(r.Tid))
	})
}

// Sleeper is a thread under a seccomp filter whose sleep the kernel will go on
// with by a call of restart_syscall, which the filter is asked about.
type Sleeper struct {
	PID, TID int
	Traced   bool
	Filter   fastcr.KObj // the newest
	Regs     fastcr.Regs // as they are
	AX       int64       // with this result instead the call ends, or is made again, as in the image
}

// EachSleeper calls f with every thread under a filter that waits by a
// restart_block: in nanosleep, poll or a futex wait with a timeout. It can be
// called in the freeze, after Collect.
func (s *Session) EachSleeper(f func(Sleeper) error) error {
	return s.each("thread", func(rec []byte) error {
		if recordType(rec) != recThread {
			return nil
		}
		r, _, err := view[threadThreadRec](rec)
		if err != nil || r.SeccompMode != seccompFilter {
			return err
		}
		regs := decodeRegs(r)
		if int64(regs.AX) != eRESTART_RESTARTBLOCK || int64(regs.OrigAX) < 0 || regs.CS == cs32 {
			return nil
		}
		sl := Sleeper{
			PID: int(r.Tgid), TID: int(r.Tid), Traced: r.Ptrace != 0,
			Filter: fastcr.KObj(r.SeccompFilter), Regs: regs, AX: eINTR,
		}
		block := frozenThread(r).block
		// The kernel makes the call in orig_ax again, unless a handler will run.
		if nr := block.call(&regs); nr == regs.OrigAX && block.repeatable(nr, &regs) {
			sl.AX = eRESTARTNOHAND
		}
		return f(sl)
	})
}
