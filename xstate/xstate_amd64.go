// Package xstate tells how the processor lays out the extended register state
// (XSAVE's standard format).
package xstate

import (
	"math/bits"
	"sync"
)

// Components of the extended state, by their bit in XSTATE_BV.
const (
	FP       = 0
	SSE      = 1
	YMM      = 2
	BNDREGS  = 3
	BNDCSR   = 4
	Opmask   = 5
	ZMMHi256 = 6
	Hi16ZMM  = 7
	PKRU     = 9
)

// Components is the number of bits in XSTATE_BV that may be components: bit 63 is none.
const Components = 63

// cpuid is the CPUID instruction.
func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// xgetbv is XCR0. It needs OSXSAVE.
func xgetbv() uint64

// Component is one component's place in the standard format, in bytes.
type Component struct {
	Offset, Size uint32
	Supervisor   bool // not in the standard format
	Align64      bool // begins at a multiple of 64 bytes in the compacted format
}

// Layout is the machine's XSAVE area.
type Layout struct {
	Features   uint64 // XCR0; 0: the processor or the kernel has no XSAVE
	Size       uint32 // bytes of the standard format with all of Features
	Components [Components]Component
}

// Machine asks the processor once: in a virtual machine CPUID takes microseconds.
var Machine = sync.OnceValue(func() *Layout {
	l := &Layout{Size: 512}
	if _, _, ecx, _ := cpuid(1, 0); ecx&(1<<27) == 0 { // OSXSAVE
		return l
	}
	_, size, _, _ := cpuid(0xd, 0)
	l.Features, l.Size = xgetbv(), size
	_, _, low, high := cpuid(0xd, 1) // IA32_XSS: what supervisors may have
	all := l.Features | uint64(low) | uint64(high)<<32
	for rest := all &^ (1<<FP | 1<<SSE | 1<<63); rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		size, offset, ecx, _ := cpuid(0xd, uint32(i))
		l.Components[i] = Component{Offset: offset, Size: size, Supervisor: ecx&1 != 0, Align64: ecx&2 != 0}
	}
	return l
})

// Find looks a component up (CPUID leaf 0xD). Size 0: this processor lacks it.
func Find(component int) Component { return Machine().Components[component] }
