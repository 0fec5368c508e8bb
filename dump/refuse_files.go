package dump

import (
	"fmt"
	"math"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// refusedKinds are the descriptors that no restore brings back, or none yet.
var refusedKinds = map[fastcr.FileKind]string{
	fastcr.KindUnknown:     "is of a kind that cannot be restored",
	fastcr.KindSocket:      "is a network socket",
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
		r.checkFile(p, &p.Files[i])
	}
	for i := range p.Passed {
		r.checkFile(p, &p.Passed[i])
		r.checkPassed(p, &p.Passed[i])
	}
}

func (r *refusal) checkFile(p *fastcr.Process, fd *fastcr.FD) {
	f := fd.File
	if reason, bad := refusedKinds[f.Kind]; bad {
		object := f.Path.Path
		if s, ok := f.Detail.(*fastcr.Socket); ok {
			object = s.String()
		}
		r.add(p.PID, fd.Num, object, reason, "")
		return
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
	case *fastcr.InetSocket:
		r.checkInet(p, fd, d)
	case *fastcr.NetlinkSocket:
		if d.NetNS != r.self.Net {
			r.add(p.PID, fd.Num, "netlink socket", "was made in another network namespace", "run fastcr in the same one")
		}
	case *fastcr.PacketSocket:
		r.checkPacket(p, fd, d)
	case *fastcr.TTY:
		r.checkTTY(p, fd, d)
	case *fastcr.Eventfd:
		r.checkEventfd(p, fd, d)
	case *fastcr.Pidfd:
		r.checkPidfd(p, fd, d)
	case *fastcr.Timerfd:
		if d.ClockID == unix.CLOCK_REALTIME_ALARM || d.ClockID == unix.CLOCK_BOOTTIME_ALARM {
			r.add(p.PID, fd.Num, "timerfd", fmt.Sprintf("is a timer of clock %d, which wakes the machine: criu does not restore it", d.ClockID), "")
		}
	}
}

func (r *refusal) checkTTY(p *fastcr.Process, fd *fastcr.FD, t *fastcr.TTY) {
	if fd.File.Path.External == "" && t.Session != 0 && !r.pids[t.Session] && !r.opts.ShellJob {
		r.add(p.PID, fd.Num, f(fd), fmt.Sprintf("is the terminal of session %d, which is outside the tree", t.Session),
			"a shell's job is dumped with -j (--shell-job)")
	}
	// What is on its way at the look is not while the tree is frozen. What its reader is slow to
	// take may be gone at another look.
	if (t.More || t.Moving && !r.look) && r.hasTerminal(t.Link) {
		r.found = append(r.found, passingError{&fastcr.RefusedError{PID: p.PID, FD: fd.Num, Object: f(fd),
			Reason: fmt.Sprintf("has more to be read than the %d bytes that a terminal's queue holds", len(t.Queued)),
			Advice: "let the program read it, then dump again"}})
	}
}

func (r *refusal) hasTerminal(object fastcr.KObj) bool {
	return slices.ContainsFunc(r.tree.Files, func(f *fastcr.File) bool {
		t, ok := f.Detail.(*fastcr.TTY)
		return ok && t.Object == object
	})
}

// checkEventfd refuses what criu's restore would make another counter of.
func (r *refusal) checkEventfd(p *fastcr.Process, fd *fastcr.FD, e *fastcr.Eventfd) {
	switch {
	case e.Semaphore:
		r.add(p.PID, fd.Num, "eventfd", "is a semaphore (EFD_SEMAPHORE), which criu restores as a plain counter", "")
	case e.Counter > math.MaxUint32:
		r.add(p.PID, fd.Num, "eventfd", fmt.Sprintf("counts %d, of which criu restores the lower 32 bits", e.Counter), "")
	}
}

// pidfdThread is PIDFD_THREAD.
const pidfdThread = unix.O_EXCL

// checkPidfd wants the process to be in the tree, or gone: so the restore finds or makes it.
func (r *refusal) checkPidfd(p *fastcr.Process, fd *fastcr.FD, d *fastcr.Pidfd) {
	switch {
	case fd.File.Flags&pidfdThread != 0:
		r.add(p.PID, fd.Num, "pidfd", "is of a thread (PIDFD_THREAD), which criu does not restore", "")
	case !d.Dead && d.PID == 0:
		r.add(p.PID, fd.Num, "pidfd", "is of a process outside of this pid namespace", "close it")
	case !d.Dead && !r.pids[d.PID]:
		r.add(p.PID, fd.Num, "pidfd", fmt.Sprintf("is of process %d, which is outside of the tree", d.PID), "close it, or dump a tree that holds that process")
	}
}

func hasLease(f *fastcr.File) bool {
	return slices.ContainsFunc(f.Locks, func(l fastcr.FileLock) bool { return l.Class == fastcr.LockLease })
}

func f(fd *fastcr.FD) string { return fd.File.Path.Path }
