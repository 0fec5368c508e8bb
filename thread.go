package fastcr

// Thread is one task (struct task_struct).
type Thread struct {
	TID         int
	Comm        string
	State       uint32 // __state bits while frozen
	Regs        Regs   // as they go into the image: an interrupted call is made again
	FPU         []byte // standard-format XSAVE area, byte for byte what PTRACE_GETREGSET NT_X86_XSTATE gives
	TLS         [3]TLSDesc
	Mode32      bool   // a 32-bit (compat) task
	Restarted   bool   // the image restarts a call that the freeze interrupted with EINTR
	SyscallWait string // that call's name

	Nice              int32
	Policy            uint32
	RTPriority        uint32
	Blocked           uint64 // signal mask (the saved one, inside sigsuspend and its kin)
	SigAltStack       SigAltStack
	PdeathSig         uint32
	Pending           []Siginfo
	RobustList        uint64 // address of robust_list_head
	RobustListLen     uint32
	ClearChildTID     uint64
	Rseq              Rseq
	Creds             Creds
	Seccomp           Seccomp
	FilesID           KObj // differs from the process's: CLONE_FILES absent
	FSID              KObj
	SighandID         KObj
	CgroupsID         KObj     // struct css_set: threads with the same one are in the same cgroups
	Cgroups           []Cgroup // where it is not with its process; filled by package dump
	Undo              bool     // its end would undo semaphore operations (SEM_UNDO)
	UndoSet           int      // id of a set that they are of
	Vfork             bool     // its parent waits until it calls exec (vfork)
	Traced            bool     // a ptracer is attached
	Tracer            int      // its process, in our pid namespace; 0: not seen there
	SavedSigmaskInUse bool     // restore_sigmask was set
	RestartBlockLeft  uint64   // nanoseconds left, if the last call was an interrupted sleep
}

// Regs are the general-purpose registers, segment bases included
// (struct user_regs_struct of x86-64).
type Regs struct {
	R15, R14, R13, R12, BP, BX, R11, R10, R9, R8      uint64
	AX, CX, DX, SI, DI, OrigAX, IP, CS, Flags, SP, SS uint64
	FSBase, GSBase, DS, ES, FS, GS                    uint64
}

// TLSDesc is one GDT TLS slot, raw (struct desc_struct); 0: empty.
type TLSDesc uint64

// SigAltStack is a thread's alternate signal stack (stack_t).
type SigAltStack struct {
	SP, Size uint64 // bytes
	Flags    uint32
}

// Rseq is a thread's rseq(2) registration; Ptr 0: none.
type Rseq struct {
	Ptr      uint64
	Len, Sig uint32
	CS       uint64 // rseq_cs pointer, where its flags say that a signal does not abort the section
}

// Creds are a task's credentials (struct cred).
type Creds struct {
	UID, GID, EUID, EGID, SUID, SGID, FSUID, FSGID uint32
	CapInh, CapPrm, CapEff, CapBnd, CapAmb         uint64
	Securebits                                     uint32
	NoNewPrivs                                     bool
	Groups                                         []uint32
}

// Seccomp is a thread's seccomp state. Filters are from the newest to the oldest
// (struct seccomp_filter's prev chain); equal ID means a shared filter.
type Seccomp struct {
	Mode    uint32 // 0 off, 1 strict, 2 filter
	Filters []*SeccompFilter
}

// SeccompFilter is one installed filter: the classic BPF program as it was handed in.
type SeccompFilter struct {
	ID    KObj
	Flags uint32 // SECCOMP_FILTER_FLAG_LOG
	Prog  []byte // struct sock_filter array
}
