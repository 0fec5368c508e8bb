package images

import (
	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// What the kernel writes at the beginning of an AIO ring (fs/aio.c), and bytes of that and of an event.
const (
	aioMagic  = 0xa10a10a1
	aioCompat = 1
	aioHead   = 32
	aioEvent  = 32
)

// aioContext is the context that a mapping is the ring of, nil if it is one's that the process does not
// have: that of a parent, from which it was inherited.
func aioContext(mm *fastcr.MM, v *fastcr.VMA) *fastcr.AIOContext {
	for i := range mm.AIO {
		if c := &mm.AIO[i]; c.File == v.File {
			return c
		}
	}
	return nil
}

// aioEntry is how many requests a restore has to ask for to get a ring of the same size (aio_ring_entry):
// the kernel doubles them and adds two.
func aioEntry(c *fastcr.AIOContext) *pb.AioRingEntry {
	return &pb.AioRingEntry{Id: &c.ID, NrReq: u32((ringEvents(c) - 2) / 2), RingLen: u32(c.Size)}
}

func ringEvents(c *fastcr.AIOContext) uint64 { return (c.Size - aioHead) / aioEvent }

// aioMapping is an inherited ring as a restore can make it: memory with the same bytes in it. Nobody writes
// to it any more but the parent's kernel, and its context is nobody's in this process.
func aioMapping(v fastcr.VMA) *fastcr.VMA {
	v.Kind, v.Pgoff = fastcr.VMAAnonPrivate, 0
	v.Flags &^= fastcr.VMShared | fastcr.VMMayShare
	return &v
}

// aioUnfit says why a restore does not make an AIO context again: it makes one, at its address, as
// io_setup(2) does, and lets it complete as many requests as the ring says.
func aioUnfit(p *fastcr.Process, v *fastcr.VMA) string {
	const permissions = fastcr.VMRead | fastcr.VMWrite | fastcr.VMExec
	c := aioContext(p.MM, v)
	switch {
	case c == nil:
		return ""
	case v.Start != c.ID || v.End-v.Start != c.Size:
		return "is not the whole ring of an AIO context, as io_setup maps it"
	case v.Flags&permissions != fastcr.VMRead|fastcr.VMWrite:
		return "is the ring of an AIO context with other permissions than io_setup gives it"
	case !ringSound(c):
		return "is the ring of an AIO context whose beginning was overwritten, so that no restore can tell where it is at"
	}
	return ""
}

func ringSound(c *fastcr.AIOContext) bool {
	r := c.Ring
	return r != nil && r.Magic == aioMagic && r.Compat == aioCompat && r.Incompat == 0 && r.Bytes == aioHead &&
		uint64(r.Nr) == ringEvents(c) && r.Nr == c.Events && r.Head < r.Nr && r.Tail == c.Tail
}
