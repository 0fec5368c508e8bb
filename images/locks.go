package images

import (
	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// CRIU's lock classes; not those of struct file_lock's flags.
var lockFlags = map[fastcr.LockClass]uint32{
	fastcr.LockPOSIX: 1, fastcr.LockFlock: 2, fastcr.LockOFD: 4, fastcr.LockLease: 8,
}

// leaseBreaking is set in a lease's type when the rest is what it is to become.
const leaseBreaking = 4

// offsetMax is the kernel's OFFSET_MAX, the end of a lock that has none.
const offsetMax = 1<<63 - 1

// writeLocks writes every lock once, with a process and descriptor that hold it.
func (e *Encoder) writeLocks(d *Dir) error {
	w := newImage(magicFileLocks)
	empty := len(w.buf)
	done := map[*fastcr.FileLock]bool{}
	for _, p := range e.tree.Processes {
		for i := range p.Files {
			fd := &p.Files[i]
			for j := range fd.File.Locks {
				l := &fd.File.Locks[j]
				if done[l] || l.Class == fastcr.LockPOSIX && l.FilesID != p.FilesID {
					continue
				}
				done[l] = true
				if err := w.message(lockEntry(p.PID, fd.Num, l)); err != nil {
					return err
				}
			}
		}
	}
	if len(w.buf) == empty {
		return nil
	}
	return d.put("filelocks.img", w)
}

func lockEntry(pid, fd int, l *fastcr.FileLock) *pb.FileLockEntry {
	start, length := int64(l.Start), int64(0) // length 0: to the end
	if l.End < offsetMax {
		length = int64(l.End) - start + 1
	}
	typ := l.Type
	if l.Breaking {
		typ = l.Target | leaseBreaking
	}
	p, n := int32(pid), int32(fd)
	return &pb.FileLockEntry{Flag: u32(lockFlags[l.Class]), Type: &typ, Pid: &p, Fd: &n, Start: &start, Len: &length}
}

// leasedFiles are the files that the tree has a lease on, by device and inode.
func leasedFiles(t *fastcr.Tree) map[[2]uint64]bool {
	leased := map[[2]uint64]bool{}
	for _, f := range t.Files {
		for i := range f.Locks {
			if f.Locks[i].Class == fastcr.LockLease {
				leased[[2]uint64{f.Path.Dev, f.Path.Ino}] = true
			}
		}
	}
	return leased
}
