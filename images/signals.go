package images

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// signalQueue writes pending signals but SIGSTOP, which would stop the restorer itself: stoppedBy
// is what remains of it.
func signalQueue(pending []fastcr.Siginfo) *pb.SignalQueueEntry {
	q := &pb.SignalQueueEntry{}
	for i := range pending {
		if pending[i].Signal() != uint32(unix.SIGSTOP) {
			q.Signals = append(q.Signals, &pb.SiginfoEntry{Siginfo: pending[i][:]})
		}
	}
	return q
}

// stoppedBy is the state in which a process is restored, and the signal that stops it. A
// pending SIGSTOP stops a process that runs, and does nothing to one that is stopped: SIGCONT
// takes it away.
func stoppedBy(p *fastcr.Process) (fastcr.TaskState, uint32) {
	if p.State == fastcr.TaskAlive && pendingSignal(p, unix.SIGSTOP) {
		return fastcr.TaskStopped, uint32(unix.SIGSTOP)
	}
	return p.State, p.StopSignal
}

// pendingSignal tells whether a signal waits for a process or one of its threads.
func pendingSignal(p *fastcr.Process, sig unix.Signal) bool {
	is := func(s fastcr.Siginfo) bool { return s.Signal() == uint32(sig) }
	return slices.ContainsFunc(p.SharedPending, is) || slices.ContainsFunc(p.Threads, func(t *fastcr.Thread) bool {
		return slices.ContainsFunc(t.Pending, is)
	})
}
