package loader

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"
)

// cpuid is the CPUID instruction.
func cpuid(leaf, sub uint32) (eax, ebx, ecx, edx uint32)

// xgetbv is XCR0. It needs OSXSAVE.
func xgetbv() uint64

// Offsets in the XSAVE area (Intel SDM volume 1, chapter 13).
const (
	xsaveMXCSR    = 24
	xsaveST       = 32  // ST0
	xsaveXMM      = 160 // XMM0
	xsavePad      = 416
	xsaveSW       = 464 // what software may use: XCR0 in ptrace's area
	xsaveHeader   = 512
	xsaveExtended = 576

	xfeatureFP   = 1 << 0
	xfeatureSSE  = 1 << 1
	xfeatureYMM  = 1 << 2
	xfeaturePKRU = 9 // bit number

	xcompCompacted = 1 << 63
)

// xcomponent is one state component (CPUID leaf 0xD, subleaf i).
type xcomponent struct {
	size, offset int // bytes; offset in the standard format
	align64      bool
	supervisor   bool
}

// xlayout is how this machine's XSAVE area is laid out.
type xlayout struct {
	size       int    // bytes of the standard format with every feature of XCR0
	features   uint64 // XCR0; 0: the machine has no XSAVE
	components [63]xcomponent
}

// machineLayout asks the CPU once.
var machineLayout = sync.OnceValue(func() *xlayout {
	l := &xlayout{size: xsaveHeader}
	if _, _, ecx, _ := cpuid(1, 0); ecx&(1<<27) == 0 { // OSXSAVE
		return l
	}
	_, ebx, _, _ := cpuid(0xd, 0)
	l.size, l.features = int(ebx), xgetbv()
	// CPUID costs microseconds in a virtual machine: ask only for what there is.
	_, _, xssLow, xssHigh := cpuid(0xd, 1)
	all := l.features | uint64(xssLow) | uint64(xssHigh)<<32
	for rest := all &^ (xfeatureFP | xfeatureSSE | xcompCompacted); rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		size, offset, ecx, _ := cpuid(0xd, uint32(i))
		l.components[i] = xcomponent{
			size: int(size), offset: int(offset),
			supervisor: ecx&1 != 0, align64: ecx&2 != 0,
		}
	}
	return l
})

// standard converts the kernel's buffer (struct fpstate.regs, compacted where
// the CPU has XSAVES) into the standard format, as PTRACE_GETREGSET gives
// NT_X86_XSTATE. user are the features that this task may use, pkru its
// protection key register, which the kernel keeps elsewhere.
func (l *xlayout) standard(raw []byte, user uint64, pkru uint32) ([]byte, error) {
	if l.features == 0 {
		if len(raw) < xsaveHeader {
			return nil, fmt.Errorf("%w: %d bytes of FPU state", errRecord, len(raw))
		}
		return append([]byte(nil), raw[:xsaveHeader]...), nil
	}
	if len(raw) < xsaveExtended {
		return nil, fmt.Errorf("%w: %d bytes of FPU state", errRecord, len(raw))
	}
	le := binary.LittleEndian
	out := make([]byte, max(l.size, xsaveExtended))
	bv := le.Uint64(raw[xsaveHeader:]) & user
	l.legacy(out, raw, bv)
	le.PutUint64(out[xsaveSW:], l.features)
	le.PutUint64(out[xsaveHeader:], bv)
	offsets := l.offsets(le.Uint64(raw[xsaveHeader+8:]))
	for rest := bv &^ (xfeatureFP | xfeatureSSE | xcompCompacted); rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		c := &l.components[i]
		if i == xfeaturePKRU || c.supervisor {
			continue
		}
		from := offsets[i]
		if from == 0 || c.offset < xsaveExtended || from+c.size > len(raw) || c.offset+c.size > len(out) {
			return nil, fmt.Errorf("%w: FPU component %d lies outside of %d bytes", errRecord, i, len(raw))
		}
		copy(out[c.offset:c.offset+c.size], raw[from:])
	}
	if c := &l.components[xfeaturePKRU]; user&(1<<xfeaturePKRU) != 0 && c.size >= 4 && c.offset+4 <= len(out) {
		le.PutUint32(out[c.offset:], pkru)
	}
	return out, nil
}

// legacy is the FXSAVE part: components that bv lacks have their initial values.
func (l *xlayout) legacy(out, raw []byte, bv uint64) {
	le := binary.LittleEndian
	if bv&xfeatureFP != 0 {
		copy(out[:xsaveMXCSR], raw)
		copy(out[xsaveST:xsaveXMM], raw[xsaveST:])
	} else {
		le.PutUint16(out, 0x37f)
	}
	if bv&(xfeatureSSE|xfeatureYMM) != 0 {
		copy(out[xsaveMXCSR:xsaveST], raw[xsaveMXCSR:])
	} else {
		le.PutUint32(out[xsaveMXCSR:], 0x1f80)
		copy(out[xsaveMXCSR+4:xsaveST], raw[xsaveMXCSR+4:])
	}
	if bv&xfeatureSSE != 0 {
		copy(out[xsaveXMM:xsavePad], raw[xsaveXMM:])
	}
}

// offsets are where the components lie in a buffer with this XCOMP_BV; 0: not in it.
func (l *xlayout) offsets(xcomp uint64) (o [63]int) {
	if xcomp&xcompCompacted == 0 {
		for i := range l.components {
			o[i] = l.components[i].offset
		}
		return o
	}
	next := xsaveExtended
	for rest := xcomp &^ (xfeatureFP | xfeatureSSE | xcompCompacted); rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		c := &l.components[i]
		if c.align64 {
			next = (next + 63) &^ 63
		}
		o[i] = next
		next += c.size
	}
	return o
}
