package loader

import (
	"encoding/binary"
	"fmt"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/xstate"
)

// enum rec_type
const (
	recThread = iota + 1
	recThreadSiginfo
	recThreadGroups
	recThreadSeccomp
)

// enum thread_more
const (
	moreSiginfo = 1 << iota
	moreGroups
	moreSeccomp
)

const (
	siginfoOnce = 128 // SIGINFO_ONCE
	groupsOnce  = 512 // GROUPS_ONCE

	ssDisable    = 2 // SS_DISABLE
	ssAutodisarm = 1 << 31

	robustListLen = 24 // sizeof(struct robust_list_head)
	eflagsTF      = 1 << 8
)

// decodeThread decodes the records of thread.bpf.c.
func decodeThread(rec []byte, b *builder) error {
	switch recordType(rec) {
	case recThread:
		return decodeThreadRec(rec, b)
	case recThreadSiginfo:
		r, _, err := view[threadThreadSiginfo](rec)
		if err != nil {
			return err
		}
		t := b.thread(int(r.Tgid), int(r.Tid))
		t.Pending = append(t.Pending, queueEntry(r.Info[:], r.Preallocated))
		return nil
	case recThreadGroups:
		return decodeGroups(rec, b)
	case recThreadSeccomp:
		return decodeSeccomp(rec, b)
	}
	return fmt.Errorf("%w: type %d", errRecord, recordType(rec))
}

func decodeThreadRec(rec []byte, b *builder) error {
	r, rest, err := view[threadThreadRec](rec)
	if err != nil {
		return err
	}
	if int64(r.FpuSize) > int64(len(rest)) {
		return fmt.Errorf("%w: thread %d has %d bytes of FPU state, not %d", errRecord, r.Tid, len(rest), r.FpuSize)
	}
	if r.Tid == 0 {
		return nil // reaped while it was looked at
	}
	t := b.thread(int(r.Tgid), int(r.Tid))
	t.FPU, err = standardXsave(xstate.Machine(), rest[:r.FpuSize], r.UserXfeatures, r.Pkru)
	if err != nil {
		return fmt.Errorf("thread %d: %w", r.Tid, err)
	}
	t.Comm = cstring(r.Comm[:])
	t.State = r.State
	t.Vfork = r.Vfork != 0
	t.CgroupsID = fastcr.KObj(r.CssSet)
	t.Undo, t.UndoSet = r.Undo != 0, int(r.UndoSet)
	t.Traced, t.Tracer = r.Ptrace != 0, int(r.Tracer)
	t.Regs = decodeRegs(r)
	t.Mode32 = t.Regs.CS == cs32
	t.TLS = [3]fastcr.TLSDesc{fastcr.TLSDesc(r.Tls[0]), fastcr.TLSDesc(r.Tls[1]), fastcr.TLSDesc(r.Tls[2])}
	t.Nice = r.StaticPrio - 120 // DEFAULT_PRIO
	t.Policy, t.RTPriority = r.Policy, r.RtPriority
	t.PdeathSig = r.PdeathSignal
	t.RobustList, t.RobustListLen = r.RobustList, robustListLen
	t.ClearChildTID = r.ClearChildTid
	t.FilesID, t.FSID, t.SighandID = fastcr.KObj(r.Files), fastcr.KObj(r.FsStruct), fastcr.KObj(r.Sighand)
	t.RestartBlockLeft = r.RestartExpires
	decodeMask(t, r)
	t.Rseq = fastcr.Rseq{Ptr: r.Rseq.Ptr, Len: r.Rseq.Len, Sig: r.Rseq.Sig}
	decodeCreds(&t.Creds, r)
	t.Seccomp.Mode = r.SeccompMode
	b.frozen[t] = frozenThread(r)
	return nil
}

// decodeRegs is struct user_regs_struct as ptrace gives it.
func decodeRegs(r *threadThreadRec) fastcr.Regs {
	g := &r.Regs // struct pt_regs
	regs := fastcr.Regs{
		R15: g[0], R14: g[1], R13: g[2], R12: g[3], BP: g[4], BX: g[5],
		R11: g[6], R10: g[7], R9: g[8], R8: g[9],
		AX: g[10], CX: g[11], DX: g[12], SI: g[13], DI: g[14], OrigAX: g[15],
		IP: g[16], CS: uint64(uint16(g[17])), Flags: g[18], SP: g[19], SS: uint64(uint16(g[20])),
		FSBase: r.Fsbase, GSBase: r.Gsbase,
		DS: uint64(r.Ds), ES: uint64(r.Es), FS: uint64(r.Fs), GS: uint64(r.Gs),
	}
	if r.Ptrace != 0 {
		// Set by the tracer's single step (TIF_FORCED_TF): not the program's own.
		regs.Flags &^= eflagsTF
	}
	return regs
}

// decodeMask: a call with a mask of its own (sigsuspend, ppoll …) is made
// again, so the image wants the mask that the thread had before.
func decodeMask(t *fastcr.Thread, r *threadThreadRec) {
	t.Blocked = r.Blocked
	if r.RestoreSigmask != 0 {
		t.Blocked = r.SavedSigmask
		t.SavedSigmaskInUse = true
	}
	t.SigAltStack = fastcr.SigAltStack{SP: r.SasSp, Size: r.SasSize, Flags: r.SasFlags & ssAutodisarm}
	if r.SasSize == 0 {
		t.SigAltStack.Flags |= ssDisable
	}
}

func decodeCreds(c *fastcr.Creds, r *threadThreadRec) {
	k := &r.Cred
	c.UID, c.GID, c.EUID, c.EGID = k.Uid, k.Gid, k.Euid, k.Egid
	c.SUID, c.SGID, c.FSUID, c.FSGID = k.Suid, k.Sgid, k.Fsuid, k.Fsgid
	c.CapInh, c.CapPrm, c.CapEff, c.CapBnd, c.CapAmb = k.CapInh, k.CapPrm, k.CapEff, k.CapBnd, k.CapAmb
	c.Securebits = k.Securebits
	c.NoNewPrivs = r.NoNewPrivs != 0
}

func decodeGroups(rec []byte, b *builder) error {
	r, rest, err := view[threadThreadGroups](rec)
	if err != nil {
		return err
	}
	if uint64(r.N)*4 > uint64(len(rest)) {
		return fmt.Errorf("%w: thread %d: %d groups in %d bytes", errRecord, r.Tid, r.N, len(rest))
	}
	c := &b.thread(int(r.Tgid), int(r.Tid)).Creds
	if int(r.First) != len(c.Groups) {
		if b.running {
			return nil
		}
		return fmt.Errorf("%w: thread %d: group %d after %d", errRecord, r.Tid, r.First, len(c.Groups))
	}
	for i := range int(r.N) {
		c.Groups = append(c.Groups, binary.NativeEndian.Uint32(rest[4*i:]))
	}
	return nil
}

// frozen is what decides how a thread goes on, until all of its process is known.
type frozen struct {
	tgid            int
	pending, shared uint64 // sets
	block           restartBlock
	rseq            rseqCS
	filter          fastcr.KObj // the newest
	groups          int
}

func frozenThread(r *threadThreadRec) *frozen {
	return &frozen{
		tgid: int(r.Tgid), pending: r.Pending, shared: r.SharedPending,
		block: restartBlock{uint64(r.RestartClockid) | uint64(r.RestartType)<<32, r.RestartRmtp},
		rseq: rseqCS{
			ptr: r.Rseq.Cs, start: r.Rseq.StartIp, length: r.Rseq.PostCommitOffset, abort: r.Rseq.AbortIp,
			version: r.Rseq.CsVersion, flags: r.Rseq.Flags | r.Rseq.CsFlags,
		},
		filter: fastcr.KObj(r.SeccompFilter),
		groups: int(r.Cred.Ngroups),
	}
}

// settle finishes every thread, once signal actions and filters are known.
func (b *builder) settle() error {
	for t, f := range b.frozen {
		t.Pending = withoutQueue(t.Pending, f.pending)
		restart(t, &interrupted{
			pending: f.pending &^ t.Blocked, shared: f.shared &^ t.Blocked,
			actions: &b.process(f.tgid).Sigactions, block: f.block, traced: t.Traced,
		})
		fixRseq(t, &f.rseq)
		if err := b.settleParts(t, f); err != nil && !b.running {
			return fmt.Errorf("thread %d: %w", t.TID, err)
		}
	}
	return nil
}

// settleParts looks whether what comes in several records has come whole.
func (b *builder) settleParts(t *fastcr.Thread, f *frozen) (err error) {
	if len(t.Creds.Groups) != f.groups {
		return fmt.Errorf("%w: %d groups of %d", errRecord, len(t.Creds.Groups), f.groups)
	}
	if t.Seccomp.Mode == seccompFilter {
		t.Seccomp.Filters, err = b.filters.chain(f.filter)
	}
	return err
}

// withoutQueue adds the signals of set that have no entry in the queue (there
// was no memory, or the kernel's own kill): they are delivered as from kill(2)
// by nobody, as the kernel's collect_signal does.
func withoutQueue(queue []fastcr.Siginfo, set uint64) []fastcr.Siginfo {
	for i := range queue {
		if signo := binary.NativeEndian.Uint32(queue[i][:]); signo-1 < 64 {
			set &^= 1 << (signo - 1)
		}
	}
	for signo := uint32(1); signo <= 64; signo++ {
		if set&(1<<(signo-1)) != 0 {
			var info fastcr.Siginfo
			binary.NativeEndian.PutUint32(info[:], signo)
			queue = append(queue, info)
		}
	}
	return queue
}
