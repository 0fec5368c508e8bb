package seccomp

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func program(insns ...unix.SockFilter) (b []byte) {
	for _, in := range insns {
		b = binary.NativeEndian.AppendUint16(b, in.Code)
		b = append(b, in.Jt, in.Jf)
		b = binary.NativeEndian.AppendUint32(b, in.K)
	}
	return b
}

func stmt(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }

func jump(op uint16, k uint32, jt, jf uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | op, Jt: jt, Jf: jf, K: k}
}

const (
	loadAbs = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	ret     = unix.BPF_RET | unix.BPF_K
	retA    = unix.BPF_RET | unix.BPF_A
)

var call = Data{NR: 219, Arch: ArchX8664, IP: 0x1122334455667788, Args: [6]uint64{1, 2, 3, 4, 5, 0xaabbccdd00000006}}

func TestRun(t *testing.T) {
	allowOnly := func(nr uint32) []byte {
		return program(stmt(loadAbs, 4), jump(unix.BPF_JEQ, ArchX8664, 1, 0), stmt(ret, RetKillProcess),
			stmt(loadAbs, 0), jump(unix.BPF_JEQ, nr, 1, 0), stmt(ret, RetErrno|13), stmt(ret, RetAllow))
	}
	alu := func(op uint16, a, k uint32) []byte {
		return program(stmt(unix.BPF_LD|unix.BPF_IMM, a), stmt(unix.BPF_ALU|op, k), stmt(retA, 0))
	}
	aluX := func(op uint16, a, x uint32) []byte {
		return program(stmt(unix.BPF_LDX|unix.BPF_IMM, x), stmt(unix.BPF_LD|unix.BPF_IMM, a), stmt(unix.BPF_ALU|op|unix.BPF_X, 0), stmt(retA, 0))
	}
	for name, c := range map[string]struct {
		prog []byte
		want uint32
	}{
		"allowed":         {allowOnly(219), RetAllow},
		"not allowed":     {allowOnly(35), RetErrno | 13},
		"ip, low word":    {program(stmt(loadAbs, 8), stmt(retA, 0)), 0x55667788},
		"ip, high word":   {program(stmt(loadAbs, 12), stmt(retA, 0)), 0x11223344},
		"last argument":   {program(stmt(loadAbs, 60), stmt(retA, 0)), 0xaabbccdd},
		"length":          {program(stmt(unix.BPF_LD|unix.BPF_W|unix.BPF_LEN, 0), stmt(retA, 0)), 64},
		"length to x":     {program(stmt(unix.BPF_LDX|unix.BPF_W|unix.BPF_LEN, 0), stmt(unix.BPF_MISC|unix.BPF_TXA, 0), stmt(retA, 0)), 64},
		"a to x":          {program(stmt(loadAbs, 0), stmt(unix.BPF_MISC|unix.BPF_TAX, 0), stmt(unix.BPF_ALU|unix.BPF_ADD|unix.BPF_X, 0), stmt(retA, 0)), 438},
		"memory":          {program(stmt(loadAbs, 0), stmt(unix.BPF_ST, 15), stmt(unix.BPF_LD|unix.BPF_IMM, 0), stmt(unix.BPF_LD|unix.BPF_MEM, 15), stmt(retA, 0)), 219},
		"memory by x":     {program(stmt(unix.BPF_LDX|unix.BPF_IMM, 7), stmt(unix.BPF_STX, 3), stmt(unix.BPF_LDX|unix.BPF_MEM, 3), stmt(unix.BPF_MISC|unix.BPF_TXA, 0), stmt(retA, 0)), 7},
		"add":             {alu(unix.BPF_ADD, 0xffffffff, 2), 1},
		"sub":             {alu(unix.BPF_SUB, 1, 2), 0xffffffff},
		"mul":             {alu(unix.BPF_MUL, 7, 6), 42},
		"div":             {alu(unix.BPF_DIV, 43, 6), 7},
		"and":             {alu(unix.BPF_AND, 0xff, 0x1f0), 0xf0},
		"or":              {alu(unix.BPF_OR, 0xf, 0x1f0), 0x1ff},
		"xor":             {alu(unix.BPF_XOR, 0xf, 0xff), 0xf0},
		"lsh":             {alu(unix.BPF_LSH, 1, 31), 1 << 31},
		"rsh":             {alu(unix.BPF_RSH, 1<<31, 31), 1},
		"neg":             {alu(unix.BPF_NEG, 1, 0), 0xffffffff},
		"div by x":        {aluX(unix.BPF_DIV, 42, 6), 7},
		"div by x = 0":    {aluX(unix.BPF_DIV, 42, 0), RetKillThread},
		"jump always":     {program(jump(unix.BPF_JA, 1, 0, 0), stmt(ret, 1), stmt(ret, 2)), 2},
		"jgt":             {program(stmt(loadAbs, 0), jump(unix.BPF_JGT, 219, 0, 1), stmt(ret, 1), stmt(ret, 2)), 2},
		"jge":             {program(stmt(loadAbs, 0), jump(unix.BPF_JGE, 219, 0, 1), stmt(ret, 1), stmt(ret, 2)), 1},
		"jset":            {program(stmt(loadAbs, 0), jump(unix.BPF_JSET, 0x100, 0, 1), stmt(ret, 1), stmt(ret, 2)), 2},
		"jeq x":           {program(stmt(unix.BPF_LDX|unix.BPF_IMM, 219), stmt(loadAbs, 0), jump(unix.BPF_JEQ|unix.BPF_X, 0, 0, 1), stmt(ret, 1), stmt(ret, 2)), 1},
		"return constant": {program(stmt(ret, RetLog)), RetLog},
	} {
		got, err := Run(c.prog, &call)
		if err != nil || got != c.want {
			t.Errorf("%s: %#x, %v, want %#x", name, got, err, c.want)
		}
	}
}

func TestProgramsThatAreNone(t *testing.T) {
	for name, prog := range map[string][]byte{
		"empty":         nil,
		"half":          {6, 0, 0},
		"no return":     program(stmt(loadAbs, 0)),
		"jump too far":  program(jump(unix.BPF_JA, 5, 0, 0), stmt(ret, 0)),
		"jump overflow": program(jump(unix.BPF_JA, 0xffffffff, 0, 0), stmt(ret, 0)),
		"load too far":  program(stmt(loadAbs, 61), stmt(ret, 0)),
		"byte load":     program(stmt(unix.BPF_LD|unix.BPF_B|unix.BPF_ABS, 0), stmt(ret, 0)),
		"unknown jump":  program(jump(0x70, 0, 0, 0), stmt(ret, 0)),
		"unknown alu":   program(stmt(unix.BPF_ALU|0xf0, 0), stmt(ret, 0)),
		"div by 0":      program(stmt(unix.BPF_ALU|unix.BPF_DIV, 0), stmt(ret, 1)),
	} {
		if got, err := Run(prog, &call); !errors.Is(err, errProgram) {
			t.Errorf("%s: %#x, %v", name, got, err)
		}
	}
}

func TestVerdictIsTheStrictest(t *testing.T) {
	order := []uint32{RetKillProcess, RetKillThread, RetTrap, RetErrno, RetUserNotif, RetTrace, RetLog, RetAllow}
	for i, strict := range order {
		for _, lax := range order[i:] {
			a, b := program(stmt(ret, strict|7)), program(stmt(ret, lax|9))
			for _, chain := range [][][]byte{{a, b}, {b, a}} {
				if got, err := Verdict(chain, &call); err != nil || got != strict {
					t.Errorf("%#x and %#x: %#x, %v", strict, lax, got, err)
				}
			}
		}
		if Passes(strict) != (strict == RetAllow || strict == RetLog) {
			t.Errorf("%#x passes: %v", strict, Passes(strict))
		}
	}
	if got, err := Verdict(nil, &call); err != nil || got != RetAllow {
		t.Errorf("no filter: %#x, %v", got, err)
	}
	if got, err := Verdict([][]byte{nil}, &call); err == nil || got != RetKillProcess {
		t.Errorf("no program: %#x, %v", got, err)
	}
}

func FuzzRun(f *testing.F) {
	f.Add(program(stmt(loadAbs, 0), jump(unix.BPF_JEQ, 219, 1, 0), stmt(ret, RetKillProcess), stmt(ret, RetAllow)), uint32(219), uint64(1))
	f.Fuzz(func(t *testing.T, prog []byte, nr uint32, arg uint64) {
		_, _ = Run(prog, &Data{NR: nr, Arch: ArchX8664, Args: [6]uint64{arg}})
	})
}
