package images

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// Sizes that CRIU writes.
const (
	robustListLen = 24 // struct robust_list_head
	ssDisable     = 2  // SS_DISABLE
)

// writeCores writes one core image a thread; the leader's holds the process's state too.
func (e *Encoder) writeCores(d *Dir, p *fastcr.Process) error {
	for i, t := range p.Threads {
		core := e.threadCore(p, t)
		if i == 0 {
			core.Tc = e.taskCore(p)
		} else {
			core.ThreadCore.BlkSigset = &t.Blocked
		}
		if err := putCore(d, t.TID, core); err != nil {
			return err
		}
	}
	return nil
}

func putCore(d *Dir, tid int, core *pb.CoreEntry) error {
	w := newImage(magicCore)
	if err := w.message(core); err != nil {
		return err
	}
	return d.put(fmt.Sprintf("core-%d.img", tid), w)
}

// writeZombie writes what is left of a dead process: its exit code and its name.
func (e *Encoder) writeZombie(d *Dir, p *fastcr.Process) error {
	return putCore(d, p.PID, &pb.CoreEntry{
		Mtype: pb.CoreEntry_X86_64.Enum(),
		Tc: &pb.TaskCoreEntry{
			TaskState: u32(p.State), ExitCode: &p.ExitCode, Personality: u32(0), Flags: u32(0), BlkSigset: u64(0), Comm: &p.Comm,
		},
	})
}

func (e *Encoder) taskCore(p *fastcr.Process) *pb.TaskCoreEntry {
	state, stop := stoppedBy(p)
	tc := &pb.TaskCoreEntry{
		TaskState: u32(state), ExitCode: u32(0), Personality: &p.Personality, Flags: &p.Flags,
		BlkSigset: &p.Threads[0].Blocked, Comm: &p.Comm,
		Timers: timers(p), Rlimits: rlimits(p), SignalsS: signalQueue(p.SharedPending),
		Loginuid: &p.LoginUID, OomScoreAdj: &p.OOMScoreAdj, ChildSubreaper: &p.ChildSubreaper,
		Sigactions: sigactions(p),
	}
	if stop != 0 {
		tc.StopSigno = &stop
	}
	if p.Membarrier != 0 {
		tc.MembarrierRegistrationMask = &p.Membarrier
	}
	return tc
}

func rlimits(p *fastcr.Process) *pb.TaskRlimitsEntry {
	out := &pb.TaskRlimitsEntry{}
	for i := range p.Rlimits {
		out.Rlimits = append(out.Rlimits, &pb.RlimitEntry{Cur: &p.Rlimits[i].Cur, Max: &p.Rlimits[i].Max})
	}
	return out
}

// sigactions leaves out SIGKILL and SIGSTOP, which nobody can change.
func sigactions(p *fastcr.Process) (out []*pb.SaEntry) {
	for i := range p.Sigactions {
		if sig := unix.Signal(i + 1); sig == unix.SIGKILL || sig == unix.SIGSTOP {
			continue
		}
		a := &p.Sigactions[i]
		out = append(out, &pb.SaEntry{
			Sigaction: &a.Handler, Flags: &a.Flags, Restorer: &a.Restorer, Mask: &a.Mask, CompatSigaction: boolean(false),
		})
	}
	return out
}

func (e *Encoder) threadCore(p *fastcr.Process, t *fastcr.Thread) *pb.CoreEntry {
	flags := t.SigAltStack.Flags
	if t.SigAltStack.Size == 0 {
		flags = ssDisable
	}
	tc := &pb.ThreadCoreEntry{
		FutexRla: &t.RobustList, FutexRlaLen: u32(robustListLen),
		SchedNice: &t.Nice, SchedPolicy: &t.Policy,
		Sas:      &pb.ThreadSasEntry{SsSp: &t.SigAltStack.SP, SsSize: &t.SigAltStack.Size, SsFlags: &flags},
		SignalsP: signalQueue(t.Pending), Creds: credentials(&t.Creds), Comm: &t.Comm,
		CgSet: u32(e.cgroups.set(p, t)),
	}
	if policy := t.Policy &^ resetOnFork; policy == unix.SCHED_FIFO || policy == unix.SCHED_RR {
		tc.SchedPrio = &t.RTPriority
	}
	if t.PdeathSig != 0 {
		tc.PdeathSig = &t.PdeathSig
	}
	if t.Rseq.Ptr != 0 {
		tc.RseqEntry = &pb.RseqEntry{RseqAbiPointer: &t.Rseq.Ptr, RseqAbiSize: &t.Rseq.Len, Signature: &t.Rseq.Sig}
		if t.Rseq.CS != 0 {
			tc.RseqEntry.RseqCsPointer = &t.Rseq.CS
		}
	}
	e.addSeccomp(tc, p, t)
	return &pb.CoreEntry{
		Mtype: pb.CoreEntry_X86_64.Enum(), ThreadInfo: threadInfo(t), ThreadCore: tc,
		Ids: nil,
	}
}

// writeFS writes working and root directory.
func (e *Encoder) writeFS(d *Dir, p *fastcr.Process) error {
	cwd, err := e.files.path(p.CWD, unix.O_RDONLY)
	if err != nil {
		return err
	}
	root, err := e.files.path(p.Root, unix.O_RDONLY)
	if err != nil {
		return err
	}
	w := newImage(magicFS)
	if err := w.message(&pb.FsEntry{CwdId: &cwd, RootId: &root, Umask: new(uint32(p.Umask))}); err != nil {
		return err
	}
	return d.put(fmt.Sprintf("fs-%d.img", p.PID), w)
}
