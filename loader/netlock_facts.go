package loader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// The lock's programs belong to one run, with connections of its own, so they are
// not pinned. What takes long about them is to find, in the kernel's type information,
// the little that they need. That is pinned, as a map: a bpffs does not outlive a kernel.
const factsPin = "netlock_facts"

// netlockFacts are a map's values.
const (
	factMark   = iota // offset of sk_buff.mark, in bytes
	factDynptr        // BTF id of the function bpf_dynptr_from_skb; 0: before Linux 6.4
	netlockFacts
)

// fitToKernel fills in what the programs need to know of this kernel.
func fitToKernel(spec *ebpf.CollectionSpec) error {
	facts, err := kernelFacts(defaultPinDir)
	if err != nil {
		return err
	}
	if facts[factDynptr] == 0 {
		return fmt.Errorf("bpf_dynptr_from_skb: %w", ebpf.ErrNotSupported)
	}
	if err := spec.Variables[netlockVarMarkOffset].Set(facts[factMark]); err != nil {
		return fmt.Errorf("set %s: %w", netlockVarMarkOffset, err)
	}
	for _, p := range spec.Programs {
		for i, ins := range p.Instructions {
			if ins.IsKfuncCall() { // there is one such function; without its metadata nobody looks it up
				p.Instructions[i] = asm.Instruction{OpCode: ins.OpCode, Src: ins.Src, Constant: int64(facts[factDynptr])}
			}
		}
	}
	return nil
}

// kernelFacts takes the facts from the pin that an earlier run has left, or looks
// them up and pins them.
func kernelFacts(dir string) ([netlockFacts]uint32, error) {
	usePins := os.Geteuid() == 0
	if usePins {
		if facts, err := readFacts(dir); err == nil {
			return facts, nil
		}
	}
	facts, err := lookUpFacts()
	if err == nil && usePins {
		_ = pinFacts(dir, facts) // the next run is slower, no more
	}
	return facts, err
}

func lookUpFacts() (facts [netlockFacts]uint32, err error) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return facts, fmt.Errorf("read the kernel's type information: %w", err)
	}
	var skb *btf.Struct
	if err := kernel.TypeByName("sk_buff", &skb); err != nil {
		return facts, fmt.Errorf("struct sk_buff: %w", err)
	}
	mark, ok := memberOffset(skb.Members, "mark")
	if !ok {
		return facts, errors.New("struct sk_buff has no mark")
	}
	facts[factMark] = mark
	var dynptr *btf.Func
	if err := kernel.TypeByName("bpf_dynptr_from_skb", &dynptr); errors.Is(err, btf.ErrNotFound) {
		return facts, nil
	} else if err != nil {
		return facts, fmt.Errorf("bpf_dynptr_from_skb: %w", err)
	}
	id, err := kernel.TypeID(dynptr)
	facts[factDynptr] = uint32(id)
	return facts, err
}

// memberOffset finds a member, in anonymous structs and unions too; in bytes.
func memberOffset(members []btf.Member, name string) (uint32, bool) {
	for _, m := range members {
		if m.Name == name {
			return m.Offset.Bytes(), true
		}
		if m.Name != "" {
			continue
		}
		var inner []btf.Member
		switch t := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct:
			inner = t.Members
		case *btf.Union:
			inner = t.Members
		}
		if at, ok := memberOffset(inner, name); ok {
			return m.Offset.Bytes() + at, true
		}
	}
	return 0, false
}

func factsPath(dir string) string { return filepath.Join(dir, factsPin) }

func readFacts(dir string) (facts [netlockFacts]uint32, err error) {
	if err := trusted(dir); err != nil {
		return facts, err
	}
	fd, err := openPin(factsPath(dir))
	if err != nil {
		return facts, err
	}
	m, err := ebpf.NewMapFromFD(fd)
	if err != nil {
		return facts, err
	}
	defer m.Close()
	if m.Type() != ebpf.Array || m.ValueSize() != 4 || m.MaxEntries() != netlockFacts {
		return facts, fmt.Errorf("%s is another version's", factsPath(dir))
	}
	for i := range facts {
		if err := m.Lookup(uint32(i), &facts[i]); err != nil {
			return facts, fmt.Errorf("read %s: %w", factsPath(dir), err)
		}
	}
	return facts, nil
}

// pinFacts leaves the facts for later runs, all of them at once.
func pinFacts(dir string, facts [netlockFacts]uint32) error {
	unlock, err := lockPins(dir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := makePinDir(dir); err != nil {
		return err
	}
	spec := &ebpf.MapSpec{Name: factsPin, Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: netlockFacts}
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return err
	}
	defer m.Close()
	for i, v := range facts {
		if err := m.Put(uint32(i), v); err != nil {
			return err
		}
	}
	if err := os.Remove(factsPath(dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return pinFD(m.FD(), factsPath(dir))
}
