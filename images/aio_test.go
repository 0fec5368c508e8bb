package images

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

const aioRW = fastcr.VMRead | fastcr.VMWrite | fastcr.VMShared | fastcr.VMMayShare

// sampleRing is a context of two pages and the mapping of its ring.
func sampleRing(at uint64, file fastcr.KObj) (fastcr.AIOContext, fastcr.VMA) {
	return fastcr.AIOContext{ID: at, Size: 0x2000, File: file, Events: 255, Tail: 7,
			Ring: &fastcr.AIORing{Nr: 255, Head: 3, Tail: 7, Magic: aioMagic, Compat: 1, Bytes: 32}},
		fastcr.VMA{Start: at, End: at + 0x2000, Kind: fastcr.VMAAIORing, Flags: aioRW, File: file}
}

func TestAIOUnfit(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *fastcr.AIOContext, v *fastcr.VMA)
		want   string // "": fits
	}{
		{"as made", func(*fastcr.AIOContext, *fastcr.VMA) {}, ""},
		{"inherited", func(_ *fastcr.AIOContext, v *fastcr.VMA) { v.File, v.Flags = 9, fastcr.VMRead }, ""},
		{"cut", func(_ *fastcr.AIOContext, v *fastcr.VMA) { v.End -= 0x1000 }, "not the whole ring"},
		{"mapped twice", func(_ *fastcr.AIOContext, v *fastcr.VMA) { v.Start, v.End = 0x9000, 0xb000 }, "not the whole ring"},
		{"read-only", func(_ *fastcr.AIOContext, v *fastcr.VMA) { v.Flags &^= fastcr.VMWrite }, "permissions"},
		{"executable", func(_ *fastcr.AIOContext, v *fastcr.VMA) { v.Flags |= fastcr.VMExec }, "permissions"},
		{"not read", func(c *fastcr.AIOContext, _ *fastcr.VMA) { c.Ring = nil }, "overwritten"},
		{"another magic", func(c *fastcr.AIOContext, _ *fastcr.VMA) { c.Ring.Magic++ }, "overwritten"},
		{"another number", func(c *fastcr.AIOContext, _ *fastcr.VMA) { c.Ring.Nr-- }, "overwritten"},
		{"a head behind the end", func(c *fastcr.AIOContext, _ *fastcr.VMA) { c.Ring.Head = 255 }, "overwritten"},
		{"another tail", func(c *fastcr.AIOContext, _ *fastcr.VMA) { c.Ring.Tail++ }, "overwritten"},
	} {
		tree := treeOf()
		p := tree.Processes[0]
		context, v := sampleRing(0x10000, 5)
		c.change(&context, &v)
		p.MM, p.VMAs = &fastcr.MM{AIO: []fastcr.AIOContext{context}}, []fastcr.VMA{v}
		found := Unfit(tree, tree.Processes)
		if c.want == "" && len(found) != 0 || c.want != "" && (len(found) != 1 || !strings.Contains(found[0].Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, found, c.want)
		}
	}
}

// A ring that was inherited is memory, and no context of the process.
func TestAIOEntries(t *testing.T) {
	tree, opts := sampleTree()
	p := tree.Processes[0]
	context, own := sampleRing(0xb00000, 5)
	_, inherited := sampleRing(0xc00000, 6)
	p.MM.AIO = []fastcr.AIOContext{context}
	p.VMAs = append(p.VMAs, own, inherited)
	m := decode[pb.MmEntry](t, encoded(t, tree, opts), "mm-100.img", magicMM)[0]
	if len(m.Aios) != 1 || m.Aios[0].GetId() != 0xb00000 || m.Aios[0].GetRingLen() != 0x2000 || m.Aios[0].GetNrReq() != 126 {
		t.Errorf("contexts %+v", m.Aios)
	}
	for i, want := range []struct{ status, flags uint32 }{
		{vmaAIORing, unix.MAP_SHARED},
		{vmaRegular | vmaAnonPrivate, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS},
	} {
		v := m.Vmas[len(m.Vmas)-3+i] // a guard is last
		if v.GetStatus() != want.status || v.GetFlags() != want.flags || v.GetProt() != unix.PROT_READ|unix.PROT_WRITE || v.GetShmid() != 0 {
			t.Errorf("mapping %d: %+v", i, v)
		}
	}
}
