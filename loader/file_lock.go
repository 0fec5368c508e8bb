package loader

import (
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// Bits of file_lock_core.flc_flags (linux/filelock.h).
const (
	flDowngradePending = 256
	flUnlockPending    = 512
)

// decodeLock is one struct file_lock or file_lease.
func decodeLock(rec []byte, b *builder) error {
	r, _, err := view[fileFileLockRec](rec)
	if err != nil {
		return err
	}
	if !b.lists.add(r.File, recFileLock, r.Item) {
		return nil
	}
	l := fastcr.FileLock{
		Class: fastcr.LockClass(r.Class), Type: r.Type, Start: uint64(r.Start), End: uint64(r.End), PID: int(r.Pid),
		Breaking: r.Flags&(flDowngradePending|flUnlockPending) != 0, Target: r.Type,
	}
	switch {
	case r.Flags&flUnlockPending != 0:
		l.Target = unix.F_UNLCK
	case r.Flags&flDowngradePending != 0:
		l.Target = unix.F_RDLCK
	}
	switch l.Class {
	case fastcr.LockPOSIX:
		l.FilesID = fastcr.KObj(r.Owner)
	case fastcr.LockOFD:
		l.PID = 0
	}
	f, _ := b.file(fastcr.KObj(r.File))
	f.Locks = append(f.Locks, l)
	return nil
}
