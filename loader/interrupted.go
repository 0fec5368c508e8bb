package loader

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
