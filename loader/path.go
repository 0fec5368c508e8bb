package loader

import (
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// deletedSuffix is what d_path appends to the path of an unlinked file.
const deletedSuffix = " (deleted)"

// decodePath is struct path_info and the text behind it.
func decodePath(p *processPathInfo, text []byte) fastcr.PathRef {
	name := string(text[:min(int(p.Len), len(text))])
	if p.Unlinked != 0 {
		name = strings.TrimSuffix(name, deletedSuffix)
	}
	return fastcr.PathRef{
		Path: name, Deleted: p.Unlinked != 0, Gone: p.Gone != 0,
		Dev: statDev(p.Dev), SDev: uint64(p.Dev), Ino: p.Ino, Nlink: p.Nlink, Mode: p.Mode, RDev: statDev(p.Rdev),
		Size: p.Size, UID: p.Uid, GID: p.Gid, FSMagic: p.Magic, MntID: int32(p.MntId), Atime: p.Atime, Mtime: p.Mtime,
	}
}

// statDev turns the kernel's dev_t (major << 20 | minor) into stat(2)'s.
func statDev(dev uint32) uint64 { return unix.Mkdev(dev>>20, dev&(1<<20-1)) }
