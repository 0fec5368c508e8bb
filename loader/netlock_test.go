package loader

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

func TestKernelFactsArePinned(t *testing.T) {
	dir := pinDir(t)
	if _, err := readFacts(dir); err == nil {
		t.Fatal("facts before anybody looked them up")
	}
	facts, err := kernelFacts(dir)
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := readFacts(dir)
	if err != nil || pinned != facts || facts[factMark] == 0 {
		t.Errorf("pinned %v, %v; looked up %v", pinned, err, facts)
	}
}

func TestMemberOffset(t *testing.T) {
	u32 := &btf.Int{Name: "u32", Size: 4}
	inner := &btf.Struct{Members: []btf.Member{{Name: "a", Type: u32}, {Name: "mark", Type: u32, Offset: 32}}}
	union := &btf.Union{Members: []btf.Member{{Name: "b", Type: u32}, {Type: inner}}}
	members := []btf.Member{{Name: "first", Type: inner}, {Type: union, Offset: 128}}
	if at, ok := memberOffset(members, "mark"); !ok || at != 20 {
		t.Errorf("mark at %d, %v", at, ok)
	}
	if at, ok := memberOffset(members, "none"); ok {
		t.Errorf("none at %d", at)
	}
}

// More connections than there is room for are an error, not a lock of some.
func TestPacketLockIsFull(t *testing.T) {
	needBPF(t)
	l, err := NewPacketLock(2)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	keys := []PacketKey{{LocalPort: [2]byte{0, 1}}, {LocalPort: [2]byte{0, 2}}, {LocalPort: [2]byte{0, 3}}}
	if err := l.Add(keys); !errors.Is(err, unix.E2BIG) {
		t.Errorf("three at once: %v", err)
	}
	if err := l.Add(keys[:2]); err != nil {
		t.Error(err)
	}
	if err := l.Add(keys[2:]); !errors.Is(err, unix.E2BIG) {
		t.Errorf("a third one: %v", err)
	}
}

// Several runs may hold packets at the same hooks.
func TestPacketLocksBesideEachOther(t *testing.T) {
	needBPF(t)
	for range 5 {
		l, err := NewPacketLock(1)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
}
