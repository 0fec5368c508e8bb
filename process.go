// Package fastcr holds the plain types that every stage of a checkpoint shares:
// what a process tree is, and the errors that name what cannot be checkpointed.
// It does no I/O.
package fastcr

import (
	"encoding/binary"
	"slices"
)

// TaskState is the state a task is restored to (CRIU's task_core_entry.task_state).
type TaskState uint32

const (
	TaskAlive   TaskState = 1
	TaskDead    TaskState = 2 // a zombie: only pid, ids and ExitCode are valid
	TaskStopped TaskState = 3
)

// KObj is the identity of a kernel object: its address. Two tasks share an
// object when their KObj are equal; it is never written into an image as it is.
type KObj uint64

// Process is one process (thread group) of the tree, as it was while frozen.
// Pids are those of the pid namespace that fastcr runs in.
type Process struct {
	PID, PPID, PGID, SID int
	State                TaskState
	ExitCode             uint32 // wait(2) status, of a zombie
	ExitSignal           int    // signal sent to the parent at exit (usually SIGCHLD)
	StopSignal           uint32 // the signal that stopped it, when TaskStopped
	Flags                uint32 // task_struct.flags (PF_*)
	Personality          uint32
	Comm                 string

	Threads []*Thread // the leader first

	MMID, FilesID, FSID, SighandID KObj

	MM    *MM // nil for a zombie
	VMAs  []VMA
	Files []FD // the table of FilesID; empty when another process with that id was read first
	// Passed are open files that wait in messages for this process and that no table has. Num
	// is the descriptor of the socket that the message is in, or that its socket is in.
	Passed []FD

	Exe, CWD, Root PathRef
	Umask          uint32

	Sigactions     [64]Sigaction // index 0 is signal 1
	SharedPending  []Siginfo     // signals pending for the process
	Rlimits        [16]Rlimit    // index RLIMIT_*
	ITimers        [3]ITimer     // ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF
	POSIXTimers    []POSIXTimer
	OOMScoreAdj    int32
	LoginUID       uint32
	ChildSubreaper bool
	Membarrier     uint32 // bits as MEMBARRIER_CMD_GET_REGISTRATIONS returns them

	TTY        KObj // controlling terminal (tty_struct), 0: none
	Namespaces Namespaces
	Cgroups    []Cgroup // as before fastcr moved the task, one a hierarchy
}

// Namespaces are the inode numbers of a task's namespaces (/proc/PID/ns).
type Namespaces struct {
	PID, PIDForChildren, Net, IPC, UTS, Mnt, User, Cgroup, Time, TimeForChildren uint32
}

// Cgroup is a task's place in one hierarchy, as /proc/PID/cgroup names it.
type Cgroup struct {
	Controllers string // "" for v2, "cpu,cpuacct" or "name=systemd" for v1
	Path        string
}

// CgroupDir is a cgroup of a hierarchy and those below it.
type CgroupDir struct {
	Name           string // in its parent; the whole path, without its first slash, of one that has none here
	Mode, UID, GID uint32
	Props          []CgroupProp
	Children       []CgroupDir
}

// CgroupProp is one property of a cgroup, with its file's owner and mode.
type CgroupProp struct {
	Name, Value    string
	Mode, UID, GID uint32
}

// Sigaction is one signal's disposition (struct k_sigaction, CRIU's sa_entry).
type Sigaction struct {
	Handler, Flags, Restorer, Mask uint64
}

// Siginfo is one queued signal: the kernel's siginfo_t as PTRACE_PEEKSIGINFO gives it (128 bytes).
type Siginfo [128]byte

// Signal is si_signo.
func (s *Siginfo) Signal() uint32 { return binary.NativeEndian.Uint32(s[:]) }

// Rlimit is a resource limit; ^0 is RLIM_INFINITY.
type Rlimit struct{ Cur, Max uint64 }

// ITimer is an interval timer: interval and time left, in microseconds. Value 0: disarmed.
type ITimer struct{ Interval, Value uint64 }

// POSIXTimer is one timer_create(2) timer (struct k_itimer). Times in nanoseconds.
type POSIXTimer struct {
	ID, ClockID, Signo int32
	Notify             int32 // SIGEV_*
	NotifyTID          int   // for SIGEV_THREAD_ID
	Sigval             uint64
	Overrun            int32
	Interval, Value    uint64 // Value: time left, 0: disarmed
}

// MM is the address space's description (struct mm_struct).
type MM struct {
	StartCode, EndCode, StartData, EndData, StartStack uint64
	StartBrk, Brk, ArgStart, ArgEnd, EnvStart, EnvEnd  uint64
	Auxv                                               []uint64 // saved_auxv, AT_NULL pair included
	Dumpable                                           int32
	THPDisabled                                        bool
	AIO                                                []AIOContext
	MDWE                                               bool // PR_SET_MDWE: no mapping becomes executable
	LockFuture                                         bool // mlockall(MCL_FUTURE)
}

// OpenFiles are the process's descriptors, and what waits in messages for it.
func (p *Process) OpenFiles() []FD {
	if len(p.Passed) == 0 {
		return p.Files
	}
	return slices.Concat(p.Files, p.Passed)
}
