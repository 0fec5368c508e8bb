package loader

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/fastcr/fastcr/xstate"
)

// Offsets in the XSAVE area (Intel SDM volume 1, chapter 13).
const (
	xsaveMXCSR    = 24
	xsaveST       = 32  // ST0
	xsaveXMM      = 160 // XMM0
	xsavePad      = 416
	xsaveSW       = 464 // what software may use: XCR0 in ptrace's area
	xsaveHeader   = 512
	xsaveExtended = 576

	xfeatureFP  = 1 << xstate.FP
	xfeatureSSE = 1 << xstate.SSE
	xfeatureYMM = 1 << xstate.YMM

	xcompCompacted = 1 << 63
)

// standardXsave converts the kernel's buffer (struct fpstate.regs, compacted where
// the CPU has XSAVES) into the standard format, as PTRACE_GETREGSET gives
// NT_X86_XSTATE. user are the features that this task may use, pkru its
// protection key register, which the kernel keeps elsewhere.
func standardXsave(l *xstate.Layout, raw []byte, user uint64, pkru uint32) ([]byte, error) {
	if l.Features == 0 {
		if len(raw) < xsaveHeader {
			return nil, fmt.Errorf("%w: %d bytes of FPU state", errRecord, len(raw))
		}
		return append([]byte(nil), raw[:xsaveHeader]...), nil
	}
	if len(raw) < xsaveExtended {
		return nil, fmt.Errorf("%w: %d bytes of FPU state", errRecord, len(raw))
	}
	le := binary.LittleEndian
	out := make([]byte, max(int(l.Size), xsaveExtended))
	bv := le.Uint64(raw[xsaveHeader:]) & user
	legacyXsave(out, raw, bv)
	le.PutUint64(out[xsaveSW:], l.Features)
	le.PutUint64(out[xsaveHeader:], bv)
	offsets := xsaveOffsets(l, le.Uint64(raw[xsaveHeader+8:]))
	for rest := bv &^ (xfeatureFP | xfeatureSSE | xcompCompacted); rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		c := &l.Components[i]
		if i == xstate.PKRU || c.Supervisor {
			continue
		}
		from, to, size := offsets[i], int(c.Offset), int(c.Size)
		if from == 0 || to < xsaveExtended || from+size > len(raw) || to+size > len(out) {
			return nil, fmt.Errorf("%w: FPU component %d lies outside of %d bytes", errRecord, i, len(raw))
		}
		copy(out[to:to+size], raw[from:])
	}
	if c := &l.Components[xstate.PKRU]; user&(1<<xstate.PKRU) != 0 && c.Size >= 4 && int(c.Offset)+4 <= len(out) {
		le.PutUint32(out[c.Offset:], pkru)
	}
	return out, nil
}

// legacyXsave is the FXSAVE part: components that bv lacks have their initial values.
func legacyXsave(out, raw []byte, bv uint64) {
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

// xsaveOffsets are where the components lie in a buffer with this XCOMP_BV; 0: not in it.
func xsaveOffsets(l *xstate.Layout, xcomp uint64) (o [xstate.Components]int) {
	if xcomp&xcompCompacted == 0 {
		for i := range l.Components {
			o[i] = int(l.Components[i].Offset)
		}
		return o
	}
	next := xsaveExtended
	for rest := xcomp &^ (xfeatureFP | xfeatureSSE | xcompCompacted); rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		c := &l.Components[i]
		if c.Align64 {
			next = (next + 63) &^ 63
		}
		o[i] = next
		next += int(c.Size)
	}
	return o
}
