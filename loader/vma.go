package loader

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

const recVMA = 64 // enum rec_type

// vmFlags are vm_flags bits of x86-64 (include/linux/mm.h) and ours.
var vmFlags = []struct{ kernel, ours uint64 }{
	{0x1, fastcr.VMRead}, {0x2, fastcr.VMWrite}, {0x4, fastcr.VMExec}, {0x8, fastcr.VMShared},
	{0x20, fastcr.VMMayWrite}, {0x80, fastcr.VMMayShare}, {0x100, fastcr.VMGrowsDown}, {0x200, fastcr.VMUffdMissing},
	{0x400, fastcr.VMPFNMap}, {0x1000, fastcr.VMUffdWP}, {0x2000, fastcr.VMLocked}, {0x4000, fastcr.VMIO},
	{0x8000, fastcr.VMSeqRead}, {0x10000, fastcr.VMRandRead}, {0x20000, fastcr.VMDontCopy}, {0x40000, fastcr.VMDontExpand},
	{0x80000, fastcr.VMLockOnFault}, {0x100000, fastcr.VMAccount}, {0x200000, fastcr.VMNoReserve}, {0x400000, fastcr.VMHugeTLB},
	{0x2000000, fastcr.VMWipeOnFork}, {0x4000000, fastcr.VMDontDump}, {0x20000000, fastcr.VMHugePage},
	{0x40000000, fastcr.VMNoHugePage}, {0x80000000, fastcr.VMMergeable}, {1 << 37, fastcr.VMShadowStack}, {1 << 63, fastcr.VMSealed},
}

// Magic numbers of file systems (linux/magic.h).
const (
	tmpfsMagic   = 0x01021994
	hugetlbMagic = 0x958458f6
)

// decodeVMA decodes the records of vma.bpf.c.
func decodeVMA(rec []byte, b *builder) error {
	if recordType(rec) != recVMA {
		return fmt.Errorf("%w: type %d", errRecord, recordType(rec))
	}
	r, text, err := view[vmaVmaRec](rec)
	if err != nil {
		return err
	}
	v := fastcr.VMA{Start: r.Start, End: r.End, File: fastcr.KObj(r.File), Name: cstring(r.Special[:])}
	for _, f := range vmFlags {
		if r.Flags&f.kernel != 0 {
			v.Flags |= f.ours
		}
	}
	if r.File != 0 {
		v.Pgoff, v.OpenFlags = r.Pgoff*pageSize, r.FileFlags
		info := processPathInfo(r.Path)
		v.Path = decodePath(&info, text)
		v.Shm = fastcr.ShmID{Dev: v.Path.SDev, Ino: v.Path.Ino}
	}
	v.Kind = vmaKind(&v)
	p := b.process(int(r.Tgid))
	p.VMAs = append(p.VMAs, v)
	return nil
}

const pageSize = 4096 // x86-64

// vmaKind tells what a mapping is, as criu does from /proc/PID/smaps.
func vmaKind(v *fastcr.VMA) fastcr.VMAKind {
	if v.File == 0 {
		return anonymousKind(v)
	}
	shared := v.Flags&fastcr.VMMayShare != 0
	switch typ := v.Path.Mode & unix.S_IFMT; {
	case v.Path.FSMagic == tmpfsMagic && v.Path.Path == "/dev/zero" && v.Path.Deleted && shared:
		return fastcr.VMAAnonShared
	case v.Path.FSMagic == tmpfsMagic && strings.HasPrefix(v.Path.Path, "/SYSV") && v.Path.Deleted:
		return fastcr.VMASysVShm
	case v.Path.FSMagic == hugetlbMagic && v.Path.Path == "/anon_hugepage":
		return fastcr.VMAHugetlbAnon
	case v.Path.Path == "/[aio]":
		return fastcr.VMAAIORing
	case strings.HasPrefix(v.Path.Path, "/memfd:") && v.Path.FSMagic == tmpfsMagic:
		return fastcr.VMAMemfd
	case typ == unix.S_IFSOCK:
		return fastcr.VMASocket
	case typ == unix.S_IFCHR && v.Path.RDev == unix.Mkdev(1, 5) && !shared: // private /dev/zero
		return fastcr.VMAFilePrivate
	case typ != unix.S_IFREG || v.Flags&(fastcr.VMPFNMap|fastcr.VMIO) != 0:
		return fastcr.VMAUnsupported
	case shared:
		return fastcr.VMAFileShared
	}
	return fastcr.VMAFilePrivate
}

func anonymousKind(v *fastcr.VMA) fastcr.VMAKind {
	switch {
	case v.Name == "[vdso]":
		return fastcr.VMAVdso
	case strings.HasPrefix(v.Name, "[vvar"):
		return fastcr.VMAVvar
	case v.Name == "[uprobes]":
		return fastcr.VMAUprobes
	case v.Flags&(fastcr.VMPFNMap|fastcr.VMIO|fastcr.VMMayShare) != 0:
		return fastcr.VMAUnsupported
	}
	return fastcr.VMAAnonPrivate
}
