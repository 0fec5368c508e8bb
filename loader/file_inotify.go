package loader

import (
	"slices"
	"strings"

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
	r, names, err := view[fileFileMark](rec)
	if err != nil {
		return err
	}
	if !b.lists.add(r.File, recFileMark, r.Item) {
		return nil
	}
	if f, _ := b.file(fastcr.KObj(r.File)); f.Kind == fastcr.KindFanotify {
		addFanotifyMark(r, names, b)
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
	d.Queued = r.Queued
	d.Watches = append(d.Watches, watchOf(r, names, mask))
	return nil
}

// watchOf is what is watched, by the names of the inode.
func watchOf(r *fileFileMark, names []byte, mask uint32) fastcr.InotifyWatch {
	w := fastcr.InotifyWatch{WD: r.Wd, Mask: mask, Ino: r.Ino, SDev: r.Dev, Nlink: r.Nlink}
	if r.Named != 0 {
		w.FSPath = joinNames(names[:min(int(r.NamesLen), len(names))])
	}
	return w
}

// joinNames makes a path of names that end in 0, the last component first.
func joinNames(names []byte) string {
	parts := strings.Split(strings.TrimSuffix(string(names), "\x00"), "\x00")
	slices.Reverse(parts)
	return "/" + strings.Join(parts, "/")
}
