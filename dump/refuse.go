package dump

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fastcr/fastcr"
)

// refuse looks for what criu could not restore. It returns every finding, so
// that one look at the message is enough.
func refuse(t *fastcr.Tree, o *Options, self fastcr.Namespaces) error {
	r := &refusal{opts: o, self: self, tree: t, pids: make(map[int]bool)}
	for _, p := range t.Processes {
		r.pids[p.PID] = true
	}
	r.checkTree()
	for _, p := range t.Processes {
		if p.State == fastcr.TaskDead || p.Flags&pfExiting != 0 {
			continue // nothing, or in a moment nothing, to restore but an exit code
		}
		r.checkProcess(p)
		r.checkNamespaces(p)
		r.checkVMAs(p)
		r.checkFiles(p)
	}
	return errors.Join(r.found...)
}

// pfExiting is PF_EXITING of task_struct.flags.
const pfExiting = 4

type refusal struct {
	opts  *Options
	self  fastcr.Namespaces
	tree  *fastcr.Tree
	pids  map[int]bool
	found []error
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
	if p.MM == nil {
		r.add(p.PID, -1, p.Comm, "has no address space: a kernel thread, or exiting", "")
		return
	}
	for _, other := range r.tree.Processes {
		if other == p {
			break
		}
		if other.MMID == p.MMID {
			r.add(p.PID, -1, p.Comm, fmt.Sprintf("shares its memory with process %d (vfork or CLONE_VM without CLONE_THREAD)", other.PID),
				"try again once a vfork child has called exec")
		}
		if other.FSID == p.FSID && other.State != fastcr.TaskDead && other.Flags&pfExiting == 0 {
			r.add(p.PID, -1, p.Comm, fmt.Sprintf("shares its working directory with process %d (CLONE_FS)", other.PID), "")
		}
	}
	if p.MM.HasAIO {
		r.add(p.PID, -1, p.Comm, "has an AIO context (io_setup)", "")
	}
	for _, t := range p.Threads {
		switch {
		case t.Mode32:
			r.add(t.TID, -1, t.Comm, "runs 32-bit code", "")
		case t.FilesID != p.FilesID:
			r.add(t.TID, -1, t.Comm, "is a thread with a file table of its own (CLONE_FILES absent)", "")
		case t.FSID != p.FSID:
			r.add(t.TID, -1, t.Comm, "is a thread with a working directory of its own (CLONE_FS absent)", "")
		}
	}
}

func (r *refusal) checkNamespaces(p *fastcr.Process) {
	n, s := p.Namespaces, r.self
	for _, k := range []struct {
		name       string
		have, want uint32
	}{
		{"pid", n.PID, s.PID}, {"pid_for_children", n.PIDForChildren, s.PID}, {"net", n.Net, s.Net}, {"ipc", n.IPC, s.IPC},
		{"uts", n.UTS, s.UTS}, {"mnt", n.Mnt, s.Mnt}, {"user", n.User, s.User}, {"cgroup", n.Cgroup, s.Cgroup},
		{"time", n.Time, s.Time}, {"time_for_children", n.TimeForChildren, s.Time},
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
		case v.Kind == fastcr.VMASysVShm:
			reason = "maps System V shared memory, which cannot be restored outside of an IPC namespace of its own"
		case v.Kind == fastcr.VMAMemfd:
			reason = "maps a memfd"
		case v.Kind == fastcr.VMAHugetlbAnon:
			reason = "maps huge pages (hugetlb)"
		case v.Kind == fastcr.VMAAIORing:
			reason = "maps an AIO ring"
		case v.Kind == fastcr.VMASocket:
			reason = "maps a packet socket's ring"
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

// refusedKinds are the descriptors that no restore brings back, or none yet.
var refusedKinds = map[fastcr.FileKind]string{
	fastcr.KindUnknown:     "is of a kind that cannot be restored",
	fastcr.KindSocket:      "is a network socket",
	fastcr.KindNamespace:   "is a namespace descriptor",
	fastcr.KindPidfd:       "is a pidfd",
	fastcr.KindFanotify:    "is a fanotify descriptor",
	fastcr.KindMemfd:       "is a memfd",
	fastcr.KindIOUring:     "is an io_uring",
	fastcr.KindUserfaultfd: "is a userfaultfd",
	fastcr.KindPerf:        "is a perf event",
	fastcr.KindBPF:         "is a BPF object",
	fastcr.KindKVM:         "is a KVM descriptor",
	fastcr.KindDRM:         "is a DRM device",
	fastcr.KindAnonOther:   "is an anonymous file that cannot be restored",
}

func (r *refusal) checkFiles(p *fastcr.Process) {
	for i := range p.Files {
		fd := &p.Files[i]
		f := fd.File
		if reason, bad := refusedKinds[f.Kind]; bad {
			object := f.Path.Path
			if s, ok := f.Detail.(*fastcr.Socket); ok {
				object = s.String()
			}
			r.add(p.PID, fd.Num, object, reason, "")
			continue
		}
		if len(f.Locks) > 0 && !r.opts.FileLocks {
			r.add(p.PID, fd.Num, f.Path.Path, "holds a file lock", "give --file-locks")
		}
		if f.Path.Deleted && !f.Path.OtherNames() && hasLease(f) {
			r.add(p.PID, fd.Num, f.Path.Path, "is a deleted file with a lease, which reading its content would break", "give the lease up")
		}
		switch d := f.Detail.(type) {
		case *fastcr.UnixSocket:
			r.checkUnix(p, fd, d)
		case *fastcr.TTY:
			r.checkTTY(p, fd, d)
		case *fastcr.Epoll:
			r.checkEpoll(p, fd, d)
		}
	}
}

// checkUnix lets only connected, unnamed sockets through whose peer is in the tree.
func (r *refusal) checkUnix(p *fastcr.Process, fd *fastcr.FD, u *fastcr.UnixSocket) {
	switch {
	case len(u.Name) > 0:
		r.add(p.PID, fd.Num, fmt.Sprintf("unix socket %q", u.Name), "is a named unix socket", "")
	case u.Peer != 0 && !r.hasSocket(u.Peer):
		r.add(p.PID, fd.Num, fmt.Sprintf("unix socket %d", u.Ino), fmt.Sprintf("its peer (inode %d) is outside the tree", u.PeerIno), "")
	}
}

func (r *refusal) hasSocket(object fastcr.KObj) bool {
	for _, f := range r.tree.Files {
		if u, ok := f.Detail.(*fastcr.UnixSocket); ok && u.Object == object {
			return true
		}
	}
	return false
}

func (r *refusal) checkTTY(p *fastcr.Process, fd *fastcr.FD, t *fastcr.TTY) {
	if t.Session != 0 && !r.pids[t.Session] && !r.opts.ShellJob {
		r.add(p.PID, fd.Num, f(fd), fmt.Sprintf("is the terminal of session %d, which is outside the tree", t.Session),
			"a shell's job is dumped with -j (--shell-job)")
	}
}

// checkEpoll wants every watched file to be open at the watched descriptor of a process of the tree.
func (r *refusal) checkEpoll(p *fastcr.Process, fd *fastcr.FD, e *fastcr.Epoll) {
	for _, w := range e.Watches {
		if !r.hasFile(w.File) {
			r.add(p.PID, fd.Num, "eventpoll", fmt.Sprintf("watches descriptor %d, whose file is open nowhere in the tree", w.FD), "")
		}
	}
}

func hasLease(f *fastcr.File) bool {
	return slices.ContainsFunc(f.Locks, func(l fastcr.FileLock) bool { return l.Class == fastcr.LockLease })
}

func (r *refusal) hasFile(id fastcr.KObj) bool {
	for _, f := range r.tree.Files {
		if f.ID == id {
			return true
		}
	}
	return false
}

func f(fd *fastcr.FD) string { return fd.File.Path.Path }
