package images

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// CRIU's VMA status bits (vma_entry.status).
const (
	vmaRegular     = 1 << 0
	vmaVsyscall    = 1 << 2
	vmaVdso        = 1 << 3
	vmaHeap        = 1 << 5
	vmaFilePrivate = 1 << 6
	vmaFileShared  = 1 << 7
	vmaAnonPrivate = 1 << 9
	vmaSysVShm     = 1 << 10
	vmaSocket      = 1 << 11
	vmaVvar        = 1 << 12
	vmaAIORing     = 1 << 13
	vmaMemfd       = 1 << 14
	vmaGuard       = 1 << 16
)

// maxAuxv is how many words of the auxiliary vector criu's restore takes on
// x86-64; from more it turns away. Newer kernels hand out more: the last ones are cut,
// which only /proc/PID/auxv shows, as the program itself has read it long ago.
const maxAuxv = 44

// writeMM writes the address space: mm_struct's marks and every VMA, guard regions last.
func (e *Encoder) writeMM(d *Dir, p *fastcr.Process) error {
	m := p.MM
	exe, err := e.files.path(p.Exe, unix.O_RDONLY)
	if err != nil {
		return err
	}
	entry := &pb.MmEntry{
		MmStartCode: &m.StartCode, MmEndCode: &m.EndCode, MmStartData: &m.StartData, MmEndData: &m.EndData,
		MmStartStack: &m.StartStack, MmStartBrk: &m.StartBrk, MmBrk: &m.Brk, MmArgStart: &m.ArgStart,
		MmArgEnd: &m.ArgEnd, MmEnvStart: &m.EnvStart, MmEnvEnd: &m.EnvEnd,
		ExeFileId: &exe, MmSavedAuxv: m.Auxv[:min(len(m.Auxv), maxAuxv)], Dumpable: &m.Dumpable, ThpDisabled: &m.THPDisabled,
	}
	for i := range p.VMAs {
		v, err := e.vma(p, &p.VMAs[i])
		if err != nil {
			return err
		}
		if n := len(entry.Vmas); n > 0 && p.VMAs[i].Kind == fastcr.VMAVvar && p.VMAs[i-1].Kind == fastcr.VMAVvar {
			entry.Vmas[n-1].End = v.End // [vvar] and [vvar_vclock] are one to CRIU
			continue
		}
		entry.Vmas = append(entry.Vmas, v)
	}
	for i := range p.VMAs {
		if v := &p.VMAs[i]; v.Kind == fastcr.VMAAIORing {
			if c := aioContext(m, v); c != nil {
				entry.Aios = append(entry.Aios, aioEntry(c))
			}
		}
	}
	for _, g := range e.opts.Pages.Guards(p.PID) {
		entry.Vmas = append(entry.Vmas, &pb.VmaEntry{
			Start: u64(g.Start), End: u64(g.End), Pgoff: u64(0), Shmid: u64(0), Prot: u32(0), Flags: u32(0),
			Status: u32(vmaGuard), Fd: new(int64(-1)),
		})
	}
	w := newImage(magicMM)
	if err := w.message(entry); err != nil {
		return err
	}
	return d.put(fmt.Sprintf("mm-%d.img", p.PID), w)
}

func (e *Encoder) vma(p *fastcr.Process, v *fastcr.VMA) (*pb.VmaEntry, error) {
	if v.Kind == fastcr.VMAAIORing && aioContext(p.MM, v) == nil {
		v = aioMapping(*v)
	}
	out := &pb.VmaEntry{
		Start: u64(v.Start), End: u64(v.End), Pgoff: u64(v.Pgoff), Shmid: u64(0),
		Prot: u32(vmaProt(v.Flags)), Flags: u32(vmaMapFlags(v)), Fd: new(int64(-1)),
	}
	status := uint32(vmaRegular)
	switch v.Kind {
	case fastcr.VMAAnonPrivate:
		status |= vmaAnonPrivate
		if v.Start <= p.MM.Brk && v.End >= p.MM.StartBrk {
			status |= vmaHeap
		}
	case fastcr.VMAVdso:
		status |= vmaAnonPrivate | vmaVdso
	case fastcr.VMAVvar:
		status |= vmaAnonPrivate | vmaVvar
	case fastcr.VMAVsyscall:
		status = vmaAnonPrivate | vmaVsyscall
	case fastcr.VMAFilePrivate, fastcr.VMAFileShared, fastcr.VMAAnonShared, fastcr.VMAMemfd, fastcr.VMAHugetlbAnon:
		if anonymous(v) {
			status |= vmaAnonPrivate
			break
		}
		file, err := e.fileVMA(v, out)
		if err != nil {
			return nil, err
		}
		status |= file
	case fastcr.VMAAIORing:
		status = vmaAIORing
	case fastcr.VMASocket:
		id, err := e.files.ringMapping(v)
		if err != nil {
			return nil, err
		}
		status, out.Shmid = status|vmaSocket, u64(id)
	case fastcr.VMASysVShm:
		status |= vmaSysVShm
		attachment(v, out)
	default:
		return nil, fmt.Errorf("VMA %x-%x is of kind %d, which no image describes", v.Start, v.End, v.Kind)
	}
	out.Status = &status
	if madv := vmaAdvice(v.Flags); madv != 0 {
		out.Madv = &madv
	}
	return out, nil
}

// fileVMA fills in which file a mapping is of, and returns its status bits. Anonymous
// shared memory is restored as a memfd.
func (e *Encoder) fileVMA(v *fastcr.VMA, out *pb.VmaEntry) (status uint32, err error) {
	flags := uint32(unix.O_RDONLY)
	status = vmaFilePrivate
	if v.Flags&fastcr.VMMayShare != 0 {
		status = vmaFileShared
		if v.Flags&fastcr.VMMayWrite != 0 {
			flags = unix.O_RDWR
		}
	}
	out.Fdflags = &flags
	if v.HasShm() {
		out.Shmid = u64(e.files.memfdMapping(v, flags))
		return status | vmaMemfd, nil
	}
	id, err := e.files.path(v.Path, flags)
	out.Shmid = u64(id)
	return status, err
}

// anonymous tells whether a mapping is restored without a file.
func anonymous(v *fastcr.VMA) bool {
	return v.Kind != fastcr.VMAFilePrivate && v.Kind != fastcr.VMAFileShared && v.Kind != fastcr.VMASysVShm && v.Kind != fastcr.VMASocket && v.Kind != fastcr.VMAAIORing && !v.HasShm()
}

func vmaProt(flags uint64) (prot uint32) {
	for _, b := range []struct {
		flag uint64
		prot uint32
	}{{fastcr.VMRead, unix.PROT_READ}, {fastcr.VMWrite, unix.PROT_WRITE}, {fastcr.VMExec, unix.PROT_EXEC}} {
		if flags&b.flag != 0 {
			prot |= b.prot
		}
	}
	return prot
}

// mapDroppable is MAP_DROPPABLE, a type of mapping like MAP_PRIVATE (Linux 6.11).
const mapDroppable = 8

func vmaMapFlags(v *fastcr.VMA) uint32 {
	flags := uint32(unix.MAP_PRIVATE)
	if v.Flags&fastcr.VMMayShare != 0 {
		flags = unix.MAP_SHARED
	}
	if v.Flags&fastcr.VMDroppable != 0 {
		flags = mapDroppable
	}
	if anonymous(v) {
		flags |= unix.MAP_ANONYMOUS
	}
	if v.Flags&fastcr.VMHugeTLB != 0 && (anonymous(v) || v.HasShm()) {
		flags |= hugeFlag(v.HugePage)
	}
	for _, b := range []struct {
		flag uint64
		bit  uint32
	}{
		{fastcr.VMGrowsDown, unix.MAP_GROWSDOWN}, {fastcr.VMLocked, unix.MAP_LOCKED},
		{fastcr.VMNoReserve, unix.MAP_NORESERVE}, {fastcr.VMHugeTLB, unix.MAP_HUGETLB},
	} {
		if v.Flags&b.flag != 0 {
			flags |= b.bit
		}
	}
	return flags
}

// vmaAdvice is the madvise bitmap: bit n stands for advice n. What the kernel maps itself
// is not advised.
func vmaAdvice(flags uint64) (madv uint64) {
	for _, b := range []struct {
		flag   uint64
		advice int
	}{
		{fastcr.VMSeqRead, unix.MADV_SEQUENTIAL}, {fastcr.VMRandRead, unix.MADV_RANDOM},
		{fastcr.VMDontCopy, unix.MADV_DONTFORK}, {fastcr.VMDontDump, unix.MADV_DONTDUMP},
		{fastcr.VMMergeable, unix.MADV_MERGEABLE}, {fastcr.VMHugePage, unix.MADV_HUGEPAGE},
		{fastcr.VMNoHugePage, unix.MADV_NOHUGEPAGE}, {fastcr.VMWipeOnFork, unix.MADV_WIPEONFORK},
	} {
		if flags&b.flag != 0 {
			madv |= 1 << b.advice
		}
	}
	return madv
}
