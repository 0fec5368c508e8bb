package images

import (
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// Types of fanotify marks, as enum fsnotify_obj_type has them.
const (
	markOnInode = 0
	markOnMount = 1
)

// Bits of fsnotify_mark.flags that fanotify_mark(2) sets.
const (
	markSurvives       = 0x100 // FSNOTIFY_MARK_FLAG_IGNORED_SURV_MODIFY
	markEvictable      = 0x200 // FSNOTIFY_MARK_FLAG_NO_IREF
	markHasIgnoreFlags = 0x400 // FSNOTIFY_MARK_FLAG_HAS_IGNORE_FLAGS
)

func encodeFanotify(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Fanotify](f)
	if err != nil {
		return err
	}
	e := &pb.FanotifyFileEntry{Id: &id, Flags: &f.Flags, Fown: ownerEntry(f.Owner), Faflags: &d.Flags, Evflags: &d.EventFlags}
	for i := range d.Marks {
		m := &d.Marks[i]
		mark := &pb.FanotifyMarkEntry{
			Id: &id, Mflags: u32(markFlags(m)), Mask: &m.Mask, IgnoredMask: &m.Ignored, SDev: &m.SDev,
		}
		if m.Type == markOnMount {
			path := strings.TrimPrefix(m.Path, "/") // from the root directory
			if path == "" {
				path = "."
			}
			mark.Type, mark.Me = pb.MarkType_MOUNT.Enum(), &pb.FanotifyMountMarkEntry{MntId: u32(m.MountID), Path: &path}
		} else {
			mark.Type, mark.Ie = pb.MarkType_INODE.Enum(), &pb.FanotifyInodeMarkEntry{IIno: &m.Ino, FHandle: handleEntry(&m.InotifyWatch)}
		}
		e.Mark = append(e.Mark, mark)
	}
	t.add(pb.FdTypes_FANOTIFY, id, &pb.FileEntry{Ffy: e})
	return nil
}

func markFlags(m *fastcr.FanotifyMark) (flags uint32) {
	if m.Flags&markSurvives != 0 {
		flags |= unix.FAN_MARK_IGNORED_SURV_MODIFY
	}
	if m.Flags&markEvictable != 0 {
		flags |= unix.FAN_MARK_EVICTABLE
	}
	return flags
}

// permissionEvents are those that wait for the listener's word. While it is frozen, everybody
// would wait who opens such a file, fastcr too.
const permissionEvents = unix.FAN_OPEN_PERM | unix.FAN_ACCESS_PERM | unix.FAN_OPEN_EXEC_PERM

func fanotifyUnfit(d *fastcr.Fanotify) string {
	for i := range d.Marks {
		m := &d.Marks[i]
		switch {
		case (m.Mask|m.Ignored)&permissionEvents != 0:
			return "decides about others' accesses, which would wait for it while it is frozen"
		case m.Type > markOnMount:
			return "has a mark on a whole file system, which the images do not hold"
		case m.Flags&markHasIgnoreFlags != 0:
			return "has a mark with FAN_MARK_IGNORE, which a restore does not set"
		}
	}
	return ""
}
