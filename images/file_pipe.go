package images

import (
	"sort"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

func encodePipe(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Pipe](f)
	if err != nil {
		return err
	}
	t.add(pb.FdTypes_PIPE, id, &pb.FileEntry{Pipe: &pb.PipeEntry{
		Id: &id, PipeId: u32(d.ID), Flags: &f.Flags, Fown: ownerEntry(f.Owner),
	}})
	return nil
}

// encodeFIFO writes two entries: the FIFO, and a regular file that keeps its path.
func encodeFIFO(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Pipe](f)
	if err != nil {
		return err
	}
	reg := t.next()
	if err := t.addRegular(reg, f.Path, f.Flags, 0, f.Owner, false); err != nil {
		return err
	}
	t.add(pb.FdTypes_FIFO, id, &pb.FileEntry{Fifo: &pb.FifoEntry{Id: &id, PipeId: u32(d.ID), RegfId: &reg}})
	return nil
}

// writePipesData writes what pipes (pipes-data.img) and FIFOs (fifo-data.img) hold, and their
// sizes. CRIU puts data through a read end: a pipe without one is left out.
func (e *Encoder) writePipesData(d *Dir) error {
	for kind, name := range map[fastcr.FileKind]string{fastcr.KindPipe: "pipes-data.img", fastcr.KindFIFO: "fifo-data.img"} {
		magic := uint32(magicPipesData)
		if kind == fastcr.KindFIFO {
			magic = magicFifoData
		}
		pipes := map[uint64]*fastcr.Pipe{}
		var order []uint64
		for _, f := range e.tree.Files {
			if p, ok := f.Detail.(*fastcr.Pipe); ok && f.Kind == kind && f.Flags&unix.O_WRONLY == 0 && pipes[p.ID] == nil {
				pipes[p.ID] = p
				order = append(order, p.ID)
			}
		}
		if len(order) == 0 {
			continue
		}
		sort.Slice(order, func(i, j int) bool { return order[i] < order[j] })
		w := newImage(magic)
		for _, id := range order {
			var data []byte
			if c := e.opts.Pipes[id]; c != nil {
				data = c.Data
			}
			if err := w.message(&pb.PipeDataEntry{PipeId: u32(id), Bytes: u32(len(data)), Size: u32(pipes[id].RingSize)}); err != nil {
				return err
			}
			w.raw(data)
		}
		if err := d.put(name, w); err != nil {
			return err
		}
	}
	return nil
}
