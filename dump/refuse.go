package dump

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images"
)

// refuse looks for what criu could not restore. It returns every finding, so
// that one look at the message is enough. At the look the tree runs, and what waits in
// messages is not known.
func refuse(t *fastcr.Tree, o *Options, self fastcr.Namespaces, look bool) error {
	r := &refusal{opts: o, self: self, tree: t, unix: images.NewUnixLinks(t), pids: make(map[int]bool), look: look}
	for _, p := range t.Processes {
		r.pids[p.PID] = true
	}
	r.unseen = look && slices.ContainsFunc(t.Files, hasRights)
	r.checkTree()
	r.checkOutside()
	var alive []*fastcr.Process
	for _, p := range t.Processes {
		if p.State == fastcr.TaskDead || p.Flags&pfExiting != 0 {
			continue // nothing, or in a moment nothing, to restore but an exit code
		}
		alive = append(alive, p)
		r.checkProcess(p)
		r.checkNamespaces(p)
		r.checkVMAs(p)
		r.checkFiles(p)
		r.checkSleepers(p)
	}
	return errors.Join(append(r.found, images.Unfit(t, alive)...)...)
}

// Bits of task_struct.flags.
const (
	pfExiting = 0x4
	pfKthread = 0x200000
)

type refusal struct {
	opts   *Options
	self   fastcr.Namespaces
	tree   *fastcr.Tree
	unix   *images.UnixLinks
	look   bool // the tree runs
	unseen bool // files in messages are not known yet
	pids   map[int]bool
	refs   map[*fastcr.File]int // see references
	found  []error
}

func (r *refusal) add(pid, fd int, object, reason, advice string) {
	r.found = append(r.found, &fastcr.RefusedError{PID: pid, FD: fd, Object: object, Reason: reason, Advice: advice})
}

// checkTree wants the root to lead its session, unless the target is a shell's job.
func (r *refusal) checkTree() {
	root := r.tree.Processes[0]
	if root.State == fastcr.TaskDead {
		r.add(root.PID, -1, root.Comm, "is a zombie: there is nothing left to checkpoint", "")
	}
	if r.opts.ShellJob {
		return
	}
	// Further down a leader may have ended before its group: criu makes one up.
	if root.SID != root.PID {
		r.add(root.PID, -1, root.Comm,
			fmt.Sprintf("does not lead its session: that is %d, outside of the tree", root.SID),
			"a shell's job is dumped with -j (--shell-job)")
	}
}

func (r *refusal) checkProcess(p *fastcr.Process) {
	if p.MM == nil && p.Flags&pfKthread == 0 {
		// It began to exit while it was looked at: it will be over, or a zombie.
		r.found = append(r.found, fmt.Errorf("process %d (%s) is exiting: it %w", p.PID, p.Comm, errChanged))
		return
	}
	if p.MM == nil {
		r.add(p.PID, -1, p.Comm, "is a kernel thread", "")
		return
	}
	for _, other := range r.tree.Processes {
		if other == p {
			break
		}
		if other.MMID == p.MMID {
			r.checkSharedMemory(p, other)
		}
		if other.FSID == p.FSID && other.State != fastcr.TaskDead && other.Flags&pfExiting == 0 {
			r.add(p.PID, -1, p.Comm, fmt.Sprintf("shares its working directory with process %d (CLONE_FS)", other.PID), "")
		}
	}
	r.checkAIO(p)
	r.checkUndo(p)
	for _, t := range p.Threads {
		switch {
		case t.Traced && r.pids[t.Tracer]:
			r.add(t.TID, -1, t.Comm, fmt.Sprintf("is traced by process %d of the tree, which no restore attaches again", t.Tracer), "detach the tracer")
		case t.Mode32:
			r.add(t.TID, -1, t.Comm, "runs 32-bit code", "")
		case t.FilesID != p.FilesID:
			r.add(t.TID, -1, t.Comm, "is a thread with a file table of its own (CLONE_FILES absent)", "")
		case t.FSID != p.FSID:
			r.add(t.TID, -1, t.Comm, "is a thread with a working directory of its own (CLONE_FS absent)", "")
		}
	}
}

// checkUndo refuses what the end of the tree would do to semaphores, and the end of a restored one
// would not do: threads share it as a rule.
func (r *refusal) checkUndo(p *fastcr.Process) {
	for _, t := range p.Threads {
		if t.Undo {
			r.add(t.TID, -1, t.Comm, fmt.Sprintf("has operations on System V semaphores %d to be undone at its end (SEM_UNDO), which no restore remembers", t.UndoSet),
				"dump it when it holds none")
			return
		}
	}
}

// checkSharedMemory refuses a process that has another's memory. The child of a vfork has it
// until it calls exec, a moment later as a rule: a fresh look may succeed.
func (r *refusal) checkSharedMemory(p, other *fastcr.Process) {
	err := &fastcr.RefusedError{PID: p.PID, FD: -1, Object: p.Comm}
	if p.PPID == other.PID && p.Threads[0].Vfork {
		err.Reason = fmt.Sprintf("shares its memory with process %d, which waits for it to call exec (vfork)", other.PID)
		err.Advice = "try again later"
		r.found = append(r.found, passingError{err})
		return
	}
	err.Reason = fmt.Sprintf("shares its memory with process %d (CLONE_VM without CLONE_THREAD)", other.PID)
	r.found = append(r.found, err)
}

// passingError is a refusal that the next look may not find.
type passingError struct{ *fastcr.RefusedError }

func (e passingError) Is(target error) bool { return target == errChanged }
func (e passingError) Unwrap() error        { return e.RefusedError }

func (r *refusal) checkNamespaces(p *fastcr.Process) {
	n, s := p.Namespaces, r.self
	if root := r.tree.Processes[0].Namespaces; root.TimeForChildren == root.Time {
		s.Time, s.TimeForChildren = root.Time, root.Time // a restore gives the whole tree one of its own
	}
	for _, k := range []struct {
		name       string
		have, want uint32
	}{
		{"pid", n.PID, s.PID}, {"pid_for_children", n.PIDForChildren, s.PID}, {"net", n.Net, s.Net}, {"ipc", n.IPC, s.IPC},
		{"uts", n.UTS, s.UTS}, {"mnt", n.Mnt, s.Mnt}, {"user", n.User, s.User}, {"cgroup", n.Cgroup, s.Cgroup},
		{"time", n.Time, s.Time}, {"time_for_children", n.TimeForChildren, s.TimeForChildren},
	} {
		if k.have != k.want {
			r.add(p.PID, -1, p.Comm, "is in another "+k.name+" namespace than fastcr (a container)",
				"run fastcr inside the same namespace")
		}
	}
}

func (r *refusal) checkVMAs(p *fastcr.Process) {
	for i := range p.VMAs {
		v := &p.VMAs[i]
		reason := ""
		switch {
		case v.Kind == fastcr.VMAUnsupported:
			reason = "maps a device or special file that cannot be restored"
		case v.Kind == fastcr.VMAUprobes:
			reason = "has a uprobe's trampoline mapped"
		case v.Flags&(fastcr.VMUffdMissing|fastcr.VMUffdWP) != 0:
			reason = "is registered with a userfaultfd"
		case v.Flags&fastcr.VMShadowStack != 0:
			reason = "is a shadow stack"
		case v.Flags&fastcr.VMSealed != 0 && v.Kind != fastcr.VMAVdso && v.Kind != fastcr.VMAVvar && v.Kind != fastcr.VMAVsyscall:
			reason = "is sealed (mseal)"
		default:
			continue
		}
		r.add(p.PID, -1, fmt.Sprintf("VMA %x-%x %s", v.Start, v.End, v.Path.Path), reason, "")
	}
}
