package loader

import (
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// Bits of fsnotify_mark.flags (linux/fsnotify_backend.h).
const (
	markExclUnlink = 0x10
	markOneshot    = 0x20
)

// decodeMark is one struct inotify_inode_mark. Of its mask only what
// inotify_add_watch(2) takes is kept.
func decodeMark(rec []byte, b *builder) error {
	r, _, err := view[fileFileMark](rec)
	if err != nil {
		return err
	}
	if !b.lists.add(r.File, recFileMark, r.Item) {
		return nil
	}
	mask := r.Mask & unix.IN_ALL_EVENTS
	if r.Flags&markExclUnlink != 0 {
		mask |= unix.IN_EXCL_UNLINK
	}
	if r.Flags&markOneshot != 0 {
		mask |= unix.IN_ONESHOT
	}
	_, d := detail[fastcr.Inotify](b, r.File)
	d.Watches = append(d.Watches, fastcr.InotifyWatch{WD: r.Wd, Mask: mask, Ino: r.Ino, SDev: r.Dev})
	return nil
}
