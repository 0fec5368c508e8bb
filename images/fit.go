package images

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// Unfit names what of these processes of the tree CRIU's format, or the restore that reads it,
// would make something else of. It is pure. Every finding is a *fastcr.RefusedError.
func Unfit(t *fastcr.Tree, procs []*fastcr.Process) []error {
	u := &unfit{tree: t, holders: holders(t), seen: map[fastcr.KObj]bool{}}
	for _, p := range procs {
		u.checkThreads(p)
		u.checkMappings(p)
		u.checkAttachments(p)
		for _, fd := range p.OpenFiles() {
			if !u.seen[fd.File.ID] {
				u.seen[fd.File.ID] = true
				u.checkFile(p, &fd)
			}
		}
	}
	return u.found
}

type unfit struct {
	tree    *fastcr.Tree
	holders map[fastcr.KObj]*fdTable
	seen    map[fastcr.KObj]bool
	found   []error
}

func (u *unfit) add(pid, fd int, object, reason string) {
	u.found = append(u.found, &fastcr.RefusedError{PID: pid, FD: fd, Object: object, Reason: reason})
}

// Scheduling policies that sched_setscheduler(2), by which a restore goes, does not set.
const (
	schedDeadline = 6
	schedExt      = 7
)

// resetOnFork is SCHED_RESET_ON_FORK, a flag in the policy.
const resetOnFork = 0x40000000

func (u *unfit) checkThreads(p *fastcr.Process) {
	if pendingSignal(p, unix.SIGTRAP) {
		u.add(p.PID, -1, p.Comm, "has a SIGTRAP pending, which a restore takes for one of its own")
	}
	for _, t := range p.Threads {
		switch t.Policy &^ resetOnFork {
		case schedDeadline:
			u.add(t.TID, -1, t.Comm, "is scheduled by deadline (SCHED_DEADLINE), which the images do not hold")
		case schedExt:
			u.add(t.TID, -1, t.Comm, "is scheduled by a BPF scheduler (SCHED_EXT), which the images do not hold")
		}
	}
}

func (u *unfit) checkMappings(p *fastcr.Process) {
	if p.MM != nil && p.MM.MDWE {
		u.add(p.PID, -1, p.Comm, "may make no memory executable (PR_SET_MDWE), which the images do not hold")
	}
	if p.MM != nil && p.MM.LockFuture {
		u.add(p.PID, -1, p.Comm, "has all memory that it will map locked (mlockall with MCL_FUTURE), which the images do not hold")
	}
	for i := range p.VMAs {
		v := &p.VMAs[i]
		reason := ""
		switch v.Kind {
		case fastcr.VMAFilePrivate, fastcr.VMAFileShared:
			if hugeGhost(&v.Path) {
				reason = reasonHugeGhost
			}
		case fastcr.VMASocket:
			reason = ringUnfit(u.tree, p, v)
		case fastcr.VMAAIORing:
			reason = aioUnfit(p, v)
		}
		if reason != "" {
			u.add(p.PID, -1, fmt.Sprintf("VMA %x-%x %s", v.Start, v.End, v.Path.Path), reason)
		}
	}
}

// Magic numbers of file systems (linux/magic.h).
const (
	tmpfsMagic   = 0x01021994
	hugetlbMagic = 0x958458f6
	devptsMagic  = 0x1cd1 // whose files the kernel makes: a restore makes no ghosts of them
)

const reasonHugeGhost = "is a deleted file of hugetlbfs, which a restore cannot write anew"

// hugeGhost tells whether a file would have to be written to a hugetlbfs, where there is no write(2).
func hugeGhost(p *fastcr.PathRef) bool {
	return p.FSMagic == hugetlbMagic && p.Deleted && !p.OtherNames() && p.Mode&unix.S_IFMT == unix.S_IFREG && p.External == ""
}

func (u *unfit) checkFile(p *fastcr.Process, fd *fastcr.FD) {
	f, reason := fd.File, ""
	switch d := f.Detail.(type) {
	case *fastcr.Pipe:
		reason = pipeUnfit(f, d)
	case *fastcr.Epoll:
		if _, err := watchedFDs(u.holders[f.ID], d.Watches); err != nil {
			reason = err.Error()
		}
	case *fastcr.UnixSocket:
		reason = unixUnfit(d)
	case *fastcr.InetSocket:
		reason = inetUnfit(d)
	case *fastcr.Fanotify:
		reason = fanotifyUnfit(d)
	case *fastcr.NetlinkSocket:
		reason = netlinkUnfit(d)
	case *fastcr.PacketSocket:
		reason = packetUnfit(d)
	case *fastcr.TTY:
		reason = ttyUnfit(f, d)
	case nil:
		reason = plainUnfit(f)
		if f.Kind == fastcr.KindNamespace {
			reason = namespaceUnfit(f, &p.Namespaces)
		}
	}
	if reason != "" {
		u.add(p.PID, fd.Num, f.Path.Path, reason)
	}
}

func unixUnfit(d *fastcr.UnixSocket) string {
	switch lost := optionsUnfit(&d.Options); {
	case lost != "":
		return "is a unix socket with " + lost + ", which the images do not hold"
	case d.Options.NoRights:
		return "is a unix socket with SO_PASSRIGHTS turned off, which the images do not hold"
	case d.OOB:
		return "is a unix socket with urgent data (MSG_OOB) waiting, which the images do not hold"
	}
	return ""
}

// openedByName is the kernel's O_LARGEFILE: set by open(2), not by pipe(2).
const openedByName = 0o100000

func pipeUnfit(f *fastcr.File, d *fastcr.Pipe) string {
	switch {
	case d.WatchQueue:
		return "is a pipe for the kernel's notifications"
	case d.Packets:
		return "is a pipe with packets in it (O_DIRECT), whose boundaries the images do not hold"
	case f.Flags&unix.O_DIRECT != 0 && (f.Kind == fastcr.KindFIFO || f.Flags&openedByName != 0):
		return "is a pipe in packet mode (O_DIRECT) that was opened by a name, which no restore can do"
	}
	return ""
}

// maxPTY is the highest pty that criu's restore takes.
const maxPTY = 1000

func ttyUnfit(f *fastcr.File, d *fastcr.TTY) string {
	if f.Path.External != "" {
		return ""
	}
	typ, _, _, ok := ttyType(f.Path.RDev, d)
	switch {
	case !ok:
		return fmt.Sprintf("is a terminal (device %d:%d) of a kind that is not restored", unix.Major(f.Path.RDev), unix.Minor(f.Path.RDev))
	case typ == ttyPTY && d.Index > maxPTY:
		return fmt.Sprintf("is pty %d: a restore takes those up to %d", d.Index, maxPTY)
	}
	return ""
}

// plainUnfit is about what is opened by its path.
func plainUnfit(f *fastcr.File) string {
	switch {
	case hugeGhost(&f.Path):
		return reasonHugeGhost
	case f.Flags&unix.O_PATH != 0 && nameless(&f.Path):
		return "was opened with O_PATH and never had a name: no path leads to it"
	}
	return ""
}

// nameless tells whether a file is one that the kernel made without any directory.
func nameless(p *fastcr.PathRef) bool {
	if !strings.HasPrefix(p.Path, "/") {
		return true
	}
	if !p.Deleted || p.Nlink != 0 || p.FSMagic != tmpfsMagic && p.FSMagic != hugetlbMagic {
		return false
	}
	return strings.HasPrefix(p.Path, "/memfd:") || strings.HasPrefix(p.Path, "/SYSV") || p.Path == "/dev/zero" || p.Path == "/anon_hugepage"
}
