// Package seccomp tells what a seccomp filter would answer to a system call: it
// runs the filter's classic BPF program, as the kernel does, on a struct
// seccomp_data. Sources: linux/seccomp.h, and kernel/seccomp.c for which
// instructions a filter may have.
package seccomp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Data is struct seccomp_data: the call that a filter is asked about.
type Data struct {
	NR   uint32
	Arch uint32 // AUDIT_ARCH_*
	IP   uint64 // behind the system call instruction
	Args [6]uint64
}

// ArchX8664 is AUDIT_ARCH_X86_64.
const ArchX8664 = 0xc000003e

// dataSize is sizeof(struct seccomp_data).
const dataSize = 64

// What a filter answers, without the 16 bits of data below (SECCOMP_RET_*).
const (
	RetKillProcess uint32 = 0x80000000
	RetKillThread  uint32 = 0x00000000
	RetTrap        uint32 = 0x00030000
	RetErrno       uint32 = 0x00050000
	RetUserNotif   uint32 = 0x7fc00000
	RetTrace       uint32 = 0x7ff00000
	RetLog         uint32 = 0x7ffc0000
	RetAllow       uint32 = 0x7fff0000

	retAction = 0xffff0000
)

// errProgram is wrapped by errors about a program that the kernel would not have taken.
var errProgram = errors.New("not a seccomp filter")

// Verdict asks a chain of filters, each an array of struct sock_filter, and
// returns the action that has precedence. No filter allows everything.
func Verdict(chain [][]byte, d *Data) (uint32, error) {
	strictest := RetAllow
	for _, prog := range chain {
		ret, err := Run(prog, d)
		if err != nil {
			return RetKillProcess, err
		}
		// Precedence is that of signed numbers.
		if action := ret & retAction; int32(action) < int32(strictest) {
			strictest = action
		}
	}
	return strictest, nil
}

// Passes says whether a call with this verdict is made, with nobody asked.
func Passes(action uint32) bool { return action == RetAllow || action == RetLog }

// bytes is how a program sees the call.
func (d *Data) bytes() (b [dataSize]byte) {
	binary.NativeEndian.PutUint32(b[0:], d.NR)
	binary.NativeEndian.PutUint32(b[4:], d.Arch)
	binary.NativeEndian.PutUint64(b[8:], d.IP)
	for i, a := range d.Args {
		binary.NativeEndian.PutUint64(b[16+8*i:], a)
	}
	return b
}

// insn is struct sock_filter.
type insn struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

const insnSize = 8

func fetch(prog []byte, pc int) insn {
	p := prog[pc*insnSize:]
	return insn{code: binary.NativeEndian.Uint16(p), jt: p[2], jf: p[3], k: binary.NativeEndian.Uint32(p[4:])}
}

// machine is the state of a running program.
type machine struct {
	a, x uint32
	mem  [16]uint32
	data [dataSize]byte
}

// Run runs one filter and returns its answer, an action and 16 bits of data.
func Run(prog []byte, d *Data) (uint32, error) {
	m := machine{data: d.bytes()}
	n := len(prog) / insnSize
	for pc := 0; pc < n; pc++ {
		in := fetch(prog, pc)
		switch in.code & 7 {
		case unix.BPF_RET:
			if in.code == unix.BPF_RET|unix.BPF_A {
				return m.a, nil
			}
			return in.k, nil
		case unix.BPF_JMP:
			skip, ok := m.jump(in)
			if !ok || skip >= uint32(n-pc-1) {
				return 0, fmt.Errorf("%w: jump %#x at %d", errProgram, in.code, pc)
			}
			pc += int(skip)
		default:
			if in.code == unix.BPF_ALU|unix.BPF_DIV|unix.BPF_X && m.x == 0 {
				return RetKillThread, nil // so the kernel makes it
			}
			if !m.step(in) {
				return 0, fmt.Errorf("%w: instruction %#x at %d", errProgram, in.code, pc)
			}
		}
	}
	return 0, fmt.Errorf("%w: no return", errProgram)
}

// jump tells how many instructions are skipped.
func (m *machine) jump(in insn) (skip uint32, ok bool) {
	v := in.k
	if in.code&unix.BPF_X != 0 {
		v = m.x
	}
	var taken bool
	switch in.code & 0xf0 {
	case unix.BPF_JA:
		return in.k, true
	case unix.BPF_JEQ:
		taken = m.a == v
	case unix.BPF_JGT:
		taken = m.a > v
	case unix.BPF_JGE:
		taken = m.a >= v
	case unix.BPF_JSET:
		taken = m.a&v != 0
	default:
		return 0, false
	}
	if taken {
		return uint32(in.jt), true
	}
	return uint32(in.jf), true
}

// step executes what is neither a jump nor a return.
func (m *machine) step(in insn) bool {
	switch in.code {
	case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
		if in.k > dataSize-4 {
			return false
		}
		m.a = binary.NativeEndian.Uint32(m.data[in.k:])
	case unix.BPF_LD | unix.BPF_W | unix.BPF_LEN:
		m.a = dataSize
	case unix.BPF_LDX | unix.BPF_W | unix.BPF_LEN:
		m.x = dataSize
	case unix.BPF_LD | unix.BPF_IMM:
		m.a = in.k
	case unix.BPF_LDX | unix.BPF_IMM:
		m.x = in.k
	case unix.BPF_MISC | unix.BPF_TAX:
		m.x = m.a
	case unix.BPF_MISC | unix.BPF_TXA:
		m.a = m.x
	case unix.BPF_LD | unix.BPF_MEM:
		m.a = m.mem[in.k&15]
	case unix.BPF_LDX | unix.BPF_MEM:
		m.x = m.mem[in.k&15]
	case unix.BPF_ST:
		m.mem[in.k&15] = m.a
	case unix.BPF_STX:
		m.mem[in.k&15] = m.x
	default:
		return in.code&7 == unix.BPF_ALU && m.alu(in)
	}
	return true
}

func (m *machine) alu(in insn) bool {
	v := in.k
	if in.code&unix.BPF_X != 0 {
		v = m.x
	}
	switch in.code & 0xf0 {
	case unix.BPF_ADD:
		m.a += v
	case unix.BPF_SUB:
		m.a -= v
	case unix.BPF_MUL:
		m.a *= v
	case unix.BPF_DIV:
		if v == 0 {
			return false
		}
		m.a /= v
	case unix.BPF_AND:
		m.a &= v
	case unix.BPF_OR:
		m.a |= v
	case unix.BPF_XOR:
		m.a ^= v
	case unix.BPF_LSH:
		m.a <<= v & 31
	case unix.BPF_RSH:
		m.a >>= v & 31
	case unix.BPF_NEG:
		m.a = -m.a
	default:
		return false
	}
	return true
}
