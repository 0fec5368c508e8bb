// Package xstate tells how the processor lays out the extended register state
// (XSAVE's standard format).
package xstate

// Components of the extended state, by their bit in XSTATE_BV.
const (
	YMM      = 2
	BNDREGS  = 3
	BNDCSR   = 4
	Opmask   = 5
	ZMMHi256 = 6
	Hi16ZMM  = 7
	PKRU     = 9
)

// cpuid is the CPUID instruction.
func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// Component is one component's place in the standard format, in bytes.
type Component struct {
	Offset, Size uint32
	Supervisor   bool // not in the standard format
	Align64      bool // begins at a multiple of 64 bytes in the compacted format
}

// Find looks a component up (CPUID leaf 0xD). Size 0: this processor lacks it.
func Find(component int) Component {
	size, offset, ecx, _ := cpuid(0xd, uint32(component))
	return Component{Offset: offset, Size: size, Supervisor: ecx&1 != 0, Align64: ecx&2 != 0}
}
