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
)

// decodeProcess decodes the records of process.bpf.c.
func decodeProcess(rec []byte, b *builder) error {
	switch recordType(rec) {
	case recProcess:
		r, _, err := view[processProcessRec](rec)
		if err == nil && r.Pid != 0 { // else reaped while it was looked at
			p := b.process(int(r.Pid))
			fillProcess(p, r)
			b.unsettled(p).rec = r
		}
		return err
	case recProcessSiginfo:
		r, _, err := view[processProcessSiginfo](rec)
		if err == nil && r.Tgid != 0 {
			p := b.process(int(r.Tgid))
			p.SharedPending = append(p.SharedPending, queueEntry(r.Info[:], r.Preallocated))
		}
		return err
	case recProcessTimer:
		r, _, err := view[processProcessTimer](rec)
		if err == nil && r.Tgid != 0 {
			u := b.unsettled(b.process(int(r.Tgid)))
			u.timers = append(u.timers, r)
		}
		return err
	case recProcessPath:
		return decodeProcessPath(rec, b)
	}
	return fmt.Errorf("%w: type %d", errRecord, recordType(rec))
}

func decodeProcessPath(rec []byte, b *builder) error {
	r, text, err := view[processProcessPath](rec)
	if err != nil || r.Tgid == 0 {
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
	p.State, p.ExitCode, p.StopSignal = processState(r)
	p.ExitSignal, p.Flags, p.Personality = int(int32(r.ExitSignal)), r.Flags, r.Personality
	p.Comm, p.Umask = cstring(r.Comm[:]), r.Umask
	p.MMID, p.FilesID, p.FSID, p.SighandID = fastcr.KObj(r.Mm), fastcr.KObj(r.Files), fastcr.KObj(r.FsStruct), fastcr.KObj(r.Sighand)
	p.TTY = fastcr.KObj(r.Tty)
	p.OOMScoreAdj, p.LoginUID, p.ChildSubreaper = r.OomScoreAdj, r.Loginuid, r.ChildSubreaper != 0
	n := &r.Ns
	p.Namespaces = fastcr.Namespaces{PID: n[0], PIDForChildren: n[1], Net: n[2], IPC: n[3], UTS: n[4], Mnt: n[5], User: n[6], Cgroup: n[7], Time: n[8], TimeForChildren: n[9]}
	if r.Sighand != 0 {
		for i := range p.Sigactions {
			a := r.Sigactions[4*i:]
			p.Sigactions[i] = fastcr.Sigaction{Handler: a[0], Flags: a[1], Restorer: a[2], Mask: a[3]}
		}
	}
	for i := range p.Rlimits {
		p.Rlimits[i] = fastcr.Rlimit{Cur: r.Rlimits[2*i], Max: r.Rlimits[2*i+1]}
	}
	if r.Mm != 0 {
		p.MM = decodeMM(r)
		p.Membarrier = membarrierRegistrations(r.Membarrier)
	}
}

// processState is what a process is restored to. A leader that has exited
// before its threads is alive, without an address space to be seen through it.
func processState(r *processProcessRec) (state fastcr.TaskState, exitCode, stopSignal uint32) {
	switch {
	case r.ExitState&(exitDead|exitZombie) != 0 && r.NrThreads <= 1:
		return fastcr.TaskDead, r.ExitCode, 0
	case r.ExitState == 0 && (r.SignalFlags&signalStopStopped != 0 || r.GroupStopCount != 0):
		return fastcr.TaskStopped, 0, uint32(r.Jobctl & jobctlStopMask)
	}
	return fastcr.TaskAlive, 0, 0
}

func decodeMM(r *processProcessRec) *fastcr.MM {
	m := &r.MmMarks
	mm := &fastcr.MM{
		StartCode: m[0], EndCode: m[1], StartData: m[2], EndData: m[3], StartStack: m[4], StartBrk: m[5], Brk: m[6],
		ArgStart: m[7], ArgEnd: m[8], EnvStart: m[9], EnvEnd: m[10],
		Dumpable: int32(r.Dumpable), THPDisabled: r.ThpDisabled != 0,
		MDWE: r.Mdwe != 0, LockFuture: r.LockFuture != 0,
	}
	for i := 0; i+1 < int(min(r.AuxvLen, uint32(len(r.Auxv)))); i += 2 {
		mm.Auxv = append(mm.Auxv, r.Auxv[i], r.Auxv[i+1])
		if r.Auxv[i] == 0 {
			break // AT_NULL, as in /proc/PID/auxv
		}
	}
	return mm
}

// membarrierRegistrations turns the bits of mm->membarrier_state that stand for
// a registration (not for its being ready) into those that
// MEMBARRIER_CMD_GET_REGISTRATIONS returns.
func membarrierRegistrations(state uint32) (out uint32) {
	for _, r := range [...]struct{ state, command uint32 }{
		{1 << 1, 1 << 4}, // private expedited
		{1 << 3, 1 << 2}, // global expedited
		{1 << 5, 1 << 6}, // with core serialisation
		{1 << 7, 1 << 8}, // with rseq
	} {
		if state&r.state != 0 {
			out |= r.command
		}
	}
	return out
}
