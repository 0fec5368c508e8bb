package images

import (
	"encoding/binary"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
	"github.com/fastcr/fastcr/xstate"
)

func threadInfo(t *fastcr.Thread) *pb.ThreadInfoX86 {
	return &pb.ThreadInfoX86{ClearTidAddr: &t.ClearChildTID, Gpregs: gpregs(&t.Regs), Fpregs: fpregs(t.FPU), Tls: tls(t)}
}

func gpregs(r *fastcr.Regs) *pb.UserX86RegsEntry {
	return &pb.UserX86RegsEntry{
		R15: &r.R15, R14: &r.R14, R13: &r.R13, R12: &r.R12, Bp: &r.BP, Bx: &r.BX, R11: &r.R11, R10: &r.R10,
		R9: &r.R9, R8: &r.R8, Ax: &r.AX, Cx: &r.CX, Dx: &r.DX, Si: &r.SI, Di: &r.DI, OrigAx: &r.OrigAX,
		Ip: &r.IP, Cs: &r.CS, Flags: &r.Flags, Sp: &r.SP, Ss: &r.SS, FsBase: &r.FSBase, GsBase: &r.GSBase,
		Ds: &r.DS, Es: &r.ES, Fs: &r.FS, Gs: &r.GS, Mode: pb.UserX86RegsMode_NATIVE.Enum(),
	}
}

// fxsaveSize is the legacy region's size in bytes; XSTATE_BV follows it.
const fxsaveSize = 512

// fpregs takes a standard-format XSAVE area apart, as PTRACE_GETREGSET gives it.
func fpregs(area []byte) *pb.UserX86FpregsEntry {
	if len(area) < fxsaveSize {
		area = append(append([]byte(nil), area...), make([]byte, fxsaveSize-len(area))...)
	}
	le := binary.LittleEndian
	out := &pb.UserX86FpregsEntry{
		Cwd: u32(le.Uint16(area)), Swd: u32(le.Uint16(area[2:])), Twd: u32(le.Uint16(area[4:])), Fop: u32(le.Uint16(area[6:])),
		Rip: u64(le.Uint64(area[8:])), Rdp: u64(le.Uint64(area[16:])), Mxcsr: u32(le.Uint32(area[24:])), MxcsrMask: u32(le.Uint32(area[28:])),
		StSpace: words(area[32:160]), XmmSpace: words(area[160:416]),
	}
	if len(area) < fxsaveSize+8 {
		return out
	}
	out.Xsave = &pb.UserX86XsaveEntry{
		XstateBv:    u64(le.Uint64(area[fxsaveSize:])),
		YmmhSpace:   words(component(area, xstate.YMM)),
		BndregState: longs(component(area, xstate.BNDREGS)),
		BndcsrState: longs(component(area, xstate.BNDCSR)),
		OpmaskReg:   longs(component(area, xstate.Opmask)),
		ZmmUpper:    longs(component(area, xstate.ZMMHi256)),
		Hi16Zmm:     longs(component(area, xstate.Hi16ZMM)),
		Pkru:        words(component(area, xstate.PKRU)),
	}
	return out
}

// component is one component of the area, nothing where the processor or the area lacks it.
func component(area []byte, n int) []byte {
	c := xstate.Find(n)
	if c.Size == 0 || int(c.Offset+c.Size) > len(area) {
		return nil
	}
	return area[c.Offset : c.Offset+c.Size]
}

func words(b []byte) (out []uint32) {
	for ; len(b) >= 4; b = b[4:] {
		out = append(out, binary.LittleEndian.Uint32(b))
	}
	return out
}

func longs(b []byte) (out []uint64) {
	for ; len(b) >= 8; b = b[8:] {
		out = append(out, binary.LittleEndian.Uint64(b))
	}
	return out
}

// firstTLS is GDT_ENTRY_TLS_MIN of x86-64.
const firstTLS = 12

// tls unpacks the three TLS slots of the GDT (struct desc_struct).
func tls(t *fastcr.Thread) (out []*pb.UserDescT) {
	for i, raw := range t.TLS {
		d := uint64(raw)
		bit := func(n int) bool { return d>>n&1 != 0 }
		base := d>>16&0xffffff | d>>56<<24
		limit := d&0xffff | d>>48&0xf<<16
		out = append(out, &pb.UserDescT{
			EntryNumber: u32(firstTLS + i), BaseAddr: u32(base), Limit: u32(limit),
			Seg_32Bit: boolean(bit(54)), ContentsH: boolean(bit(43)), ContentsL: boolean(bit(42)),
			ReadExecOnly: boolean(!bit(41)), LimitInPages: boolean(bit(55)), SegNotPresent: boolean(!bit(47)), Usable: boolean(bit(52)),
		})
	}
	return out
}
