package loader

import (
	"fmt"

	"github.com/fastcr/fastcr"
)

// enum rec_type
const (
	recProcess        = 32
	recProcessSiginfo = 33
	recProcessTimer   = 34
	recProcessPath    = 36
)

// enum process_path_kind
const (
	pathExe = iota
	pathCWD
	pathRoot
)

// Bits of the kernel's own.
const (
	exitDead          = 0x10 // EXIT_DEAD
	exitZombie        = 0x20 // EXIT_ZOMBIE
	signalStopStopped = 1    // SIGNAL_STOP_STOPPED
	jobctlStopMask    = 0xffff
	mmfDumpableMask   = 3
	mmfDisableTHP     = 1 << 24
)

// decodeProcess decodes the records of process.bpf.c.
func decodeProcess(rec []byte, b *builder) error {
	switch recordType(rec) {
	case recProcess:
		r, _, err := view[processProcessRec](rec)
		if err != nil {
			return err
		}
		if r.Pid != 0 { // not reaped while it was looked at
			fillProcess(b.process(int(r.Pid)), r)
		}
		return nil
	case recProcessSiginfo:
		r, _, err := view[processProcessSiginfo](rec)
		if err != nil {
			return err
		}
		var info fastcr.Siginfo
		copy(info[:], r.Info[:])
		p := b.process(int(r.Tgid))
		p.SharedPending = append(p.SharedPending, info)
		return nil
	case recProcessTimer:
		r, _, err := view[processProcessTimer](rec)
		if err != nil {
			return err
		}
		p := b.process(int(r.Tgid))
		p.POSIXTimers = append(p.POSIXTimers, posixTimer(r))
		return nil
	case recProcessPath:
		return decodeProcessPath(rec, b)
	}
	return fmt.Errorf("%w: type %d", errRecord, recordType(rec))
}

func decodeProcessPath(rec []byte, b *builder) error {
	r, text, err := view[processProcessPath](rec)
	if err != nil {
		return err
	}
	p, path := b.process(int(r.Tgid)), decodePath(&r.Path, text)
	switch r.What {
	case pathExe:
		p.Exe = path
	case pathCWD:
		p.CWD = path
	case pathRoot:
		p.Root = path
	default:
		return fmt.Errorf("%w: path kind %d", errRecord, r.What)
	}
	return nil
}

func fillProcess(p *fastcr.Process, r *processProcessRec) {
	p.PPID, p.PGID, p.SID = int(r.Ppid), int(r.Pgid), int(r.Sid)
	p.State = fastcr.TaskAlive
	switch {
	case r.ExitState&(exitDead|exitZombie) != 0:
		p.State, p.ExitCode = fastcr.TaskDead, r.ExitCode
	case r.SignalFlags&signalStopStopped != 0:
		p.State, p.StopSignal = fastcr.TaskStopped, uint32(r.Jobctl&jobctlStopMask)
	}
	p.ExitSignal, p.Flags, p.Personality = int(int32(r.ExitSignal)), r.Flags, r.Personality
	p.Comm, p.Umask = cstring(r.Comm[:]), r.Umask
	p.MMID, p.FilesID, p.FSID, p.SighandID = fastcr.KObj(r.Mm), fastcr.KObj(r.Files), fastcr.KObj(r.FsStruct), fastcr.KObj(r.Sighand)
	p.TTY = fastcr.KObj(r.Tty)
	p.OOMScoreAdj, p.LoginUID, p.ChildSubreaper = r.OomScoreAdj, r.Loginuid, r.ChildSubreaper != 0
	n := &r.Ns
	p.Namespaces = fastcr.Namespaces{PID: n[0], PIDForChildren: n[1], Net: n[2], IPC: n[3], UTS: n[4], Mnt: n[5], User: n[6], Cgroup: n[7], Time: n[8], TimeForChildren: n[9]}
	for i := range p.Sigactions {
		a := r.Sigactions[4*i:]
		p.Sigactions[i] = fastcr.Sigaction{Handler: a[0], Flags: a[1], Restorer: a[2], Mask: a[3]}
	}
	for i := range p.Rlimits {
		p.Rlimits[i] = fastcr.Rlimit{Cur: r.Rlimits[2*i], Max: r.Rlimits[2*i+1]}
	}
	for i := range p.ITimers {
		p.ITimers[i] = fastcr.ITimer{Interval: microseconds(r.Itimers[2*i]), Value: microseconds(r.Itimers[2*i+1])}
	}
	if r.Mm != 0 {
		p.MM = decodeMM(r)
		p.Membarrier = membarrierRegistrations(r.Membarrier)
	}
}

// microseconds rounds up: a timer that is armed stays armed.
func microseconds(ns int64) uint64 { return uint64(ns+999) / 1000 }

func decodeMM(r *processProcessRec) *fastcr.MM {
	m := &r.MmMarks
	mm := &fastcr.MM{
		StartCode: m[0], EndCode: m[1], StartData: m[2], EndData: m[3], StartStack: m[4], StartBrk: m[5], Brk: m[6],
		ArgStart: m[7], ArgEnd: m[8], EnvStart: m[9], EnvEnd: m[10],
		Dumpable: int32(r.MmFlags & mmfDumpableMask), THPDisabled: r.MmFlags&mmfDisableTHP != 0, HasAIO: r.Ioctx != 0,
	}
	for i := 0; i+1 < int(min(r.AuxvLen, uint32(len(r.Auxv)))) && r.Auxv[i] != 0; i += 2 {
		mm.Auxv = append(mm.Auxv, r.Auxv[i], r.Auxv[i+1])
	}
	return mm
}

// membarrierRegistrations turns mm->membarrier_state into the bits that
// MEMBARRIER_CMD_GET_REGISTRATIONS returns.
func membarrierRegistrations(state uint32) (out uint32) {
	for bit, command := range map[uint32]uint32{1 << 1: 1 << 4, 1 << 3: 1 << 2, 1 << 5: 1 << 6, 1 << 7: 1 << 8} {
		if state&bit != 0 {
			out |= command
		}
	}
	return out
}

// timerRequeuePending is POSIX_TIMER_REQUEUE_PENDING: the signal of an interval timer
// waits in the queue, and the timer goes on when it is taken.
const timerRequeuePending = 2

func posixTimer(r *processProcessTimer) fastcr.POSIXTimer {
	t := fastcr.POSIXTimer{
		ID: r.Id, ClockID: r.Clock, Signo: r.Signo, Notify: r.Notify, NotifyTID: int(r.NotifyTid),
		Sigval: r.Sigval, Overrun: max(r.Overrun, 0), Interval: uint64(max(r.Interval, 0)), Value: uint64(max(r.Value, 0)),
	}
	if r.Status == timerRequeuePending && t.Interval > 0 && t.Value <= 1 {
		t.Value = t.Interval
	}
	return t
}
