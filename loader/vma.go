package loader

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// enum rec_type
const (
	recVMA     = 64
	recVMAFile = 65
)

// enum vma_anon
const (
	vmaAnon   = 1
	vmaForked = 2
)

// vmFlags are vm_flags bits of x86-64 (include/linux/mm.h) and ours. Several
// were elsewhere in older kernels; no bit has meant two of these things.
var vmFlags = [...]struct{ kernel, ours uint64 }{
	{0x1, fastcr.VMRead}, {0x2, fastcr.VMWrite}, {0x4, fastcr.VMExec}, {0x8, fastcr.VMShared},
	{0x20, fastcr.VMMayWrite}, {0x80, fastcr.VMMayShare}, {0x100, fastcr.VMGrowsDown}, {0x200, fastcr.VMUffdMissing},
	{0x400, fastcr.VMPFNMap}, {0x1000, fastcr.VMUffdWP}, {0x2000, fastcr.VMLocked}, {0x4000, fastcr.VMIO},
	{0x8000, fastcr.VMSeqRead}, {0x10000, fastcr.VMRandRead}, {0x20000, fastcr.VMDontCopy}, {0x40000, fastcr.VMDontExpand},
	{0x80000, fastcr.VMLockOnFault}, {0x100000, fastcr.VMAccount}, {0x200000, fastcr.VMNoReserve}, {0x400000, fastcr.VMHugeTLB},
	{0x2000000, fastcr.VMWipeOnFork}, {0x4000000, fastcr.VMDontDump}, {0x20000000, fastcr.VMHugePage},
	{0x40000000, fastcr.VMNoHugePage}, {0x80000000, fastcr.VMMergeable}, {1 << 37, fastcr.VMShadowStack},
	{1 << 38, fastcr.VMUffdMinor}, {1 << 41, fastcr.VMUffdMinor}, // v6.13 moved it
	{1 << 40, fastcr.VMDroppable},
	{1 << 42, fastcr.VMSealed}, {1 << 63, fastcr.VMSealed}, // v6.17 moved it
}

// Magic numbers of file systems (linux/magic.h).
const (
	tmpfsMagic   = 0x01021994
	hugetlbMagic = 0x958458f6
)

const pageSize = 4096 // x86-64

// mapped is a file as its first mapping described it.
type mapped struct {
	path      fastcr.PathRef
	flags     uint32
	blockSize uint64
}

// decodeVMA decodes the records of vma.bpf.c.
func decodeVMA(rec []byte, b *builder) error {
	switch recordType(rec) {
	case recVMAFile:
		r, text, err := view[vmaVmaFile](rec)
		if err != nil {
			return err
		}
		info := processPathInfo(r.Path)
		b.mapped[fastcr.KObj(r.File)] = &mapped{decodePath(&info, text), r.FileFlags, r.BlockSize}
		return nil
	case recVMA:
		r, text, err := view[vmaVmaRec](rec)
		if err != nil || r.Tgid == 0 { // reaped while it was looked at
			return err
		}
		v, err := b.vma(r, text)
		if err != nil {
			return err
		}
		p := b.process(int(r.Tgid))
		p.VMAs = append(p.VMAs, v)
		return nil
	}
	return fmt.Errorf("%w: type %d", errRecord, recordType(rec))
}

func (b *builder) vma(r *vmaVmaRec, text []byte) (fastcr.VMA, error) {
	v := fastcr.VMA{Start: r.Start, End: r.End, File: fastcr.KObj(r.File), Anon: r.Anon&vmaAnon != 0, Forked: r.Anon&vmaForked != 0, Name: string(text[:min(int(r.NameLen), len(text))])}
	for i := range vmFlags {
		if r.Flags&vmFlags[i].kernel != 0 {
			v.Flags |= vmFlags[i].ours
		}
	}
	if r.File != 0 {
		f := b.mapped[v.File]
		if f == nil {
			return v, fmt.Errorf("%w: mapping %x-%x of a file that was not described", errRecord, r.Start, r.End)
		}
		v.Pgoff, v.OpenFlags, v.Path = r.Pgoff*pageSize, f.flags, f.path
		v.Shm = v.Path.Shm()
		if v.Flags&fastcr.VMHugeTLB != 0 {
			v.HugePage = f.blockSize
		}
	}
	v.Kind = vmaKind(&v)
	return v, nil
}

// vmaKind tells what a mapping is, as criu does from /proc/PID/smaps.
func vmaKind(v *fastcr.VMA) fastcr.VMAKind {
	if v.File == 0 {
		return unbackedKind(v)
	}
	if v.Path.Path == "" { // longer than PATH_MAX
		return fastcr.VMAUnsupported
	}
	if kind, ok := kernelFileKind(&v.Path); ok {
		if kind == fastcr.VMAAnonShared && v.Flags&fastcr.VMMayShare == 0 {
			return fastcr.VMAMemfd // somebody's shared memory, opened in map_files
		}
		return kind
	}
	shared := v.Flags&fastcr.VMMayShare != 0
	switch typ := v.Path.Mode & unix.S_IFMT; {
	case typ == unix.S_IFSOCK:
		return fastcr.VMASocket
	case typ == unix.S_IFCHR && v.Path.RDev == unix.Mkdev(majorMem, minorZero):
		return fastcr.VMAFilePrivate // shared, the kernel makes it shmem
	case typ != unix.S_IFREG:
		return fastcr.VMAUnsupported
	case shared:
		return fastcr.VMAFileShared
	case v.Flags&(fastcr.VMPFNMap|fastcr.VMIO) != 0:
		return fastcr.VMAUnsupported
	}
	return fastcr.VMAFilePrivate
}

const minorZero = 5

// kernelFileKind knows the files that the kernel makes by itself, without a
// name in any directory: no link leads to them.
func kernelFileKind(p *fastcr.PathRef) (fastcr.VMAKind, bool) {
	if strings.HasPrefix(p.Path, "/[aio]") {
		return fastcr.VMAAIORing, true
	}
	if !p.Deleted || p.Nlink != 0 {
		return 0, false
	}
	shmem, huge := p.FSMagic == tmpfsMagic, p.FSMagic == hugetlbMagic
	switch {
	case strings.HasPrefix(p.Path, "/SYSV") && (shmem || huge):
		return fastcr.VMASysVShm, true
	case strings.HasPrefix(p.Path, "/memfd:") && (shmem || huge):
		return fastcr.VMAMemfd, true
	case p.Path == "/anon_hugepage" && huge:
		return fastcr.VMAHugetlbAnon, true
	case p.Path == "/dev/zero" && shmem:
		return fastcr.VMAAnonShared, true
	}
	return 0, false
}

func unbackedKind(v *fastcr.VMA) fastcr.VMAKind {
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
