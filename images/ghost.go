package images

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// ghostTable holds the deleted files that travel in the images.
type ghostTable struct {
	contents map[[2]uint64]*fastcr.GhostContent
	ids      map[[2]uint64]uint32
	files    []fastcr.PathRef // by id
	remaps   []*pb.RemapFilePathEntry
	helpers  map[int]bool // processes that are made for files of /proc
}

func newGhostTable(contents map[[2]uint64]*fastcr.GhostContent) ghostTable {
	return ghostTable{contents: contents, ids: map[[2]uint64]uint32{}, helpers: map[int]bool{}}
}

// remap says where the deleted file of the entry id is found: in the images, or by
// the temporary name that it was given because it has others.
func (t *fileTable) remap(id uint32, p fastcr.PathRef) error {
	if !p.OtherNames() {
		return t.ghosts.remap(id, p)
	}
	name, ok := t.opts.Links[[2]uint64{p.Dev, p.Ino}]
	if !ok {
		return fmt.Errorf("deleted file %s: it has other names, and none was made for the restore", p.Path)
	}
	link, ok := t.links[name]
	if !ok {
		link = t.next()
		t.links[name] = link
		t.add(pb.FdTypes_REG, link, &pb.FileEntry{Reg: &pb.RegFileEntry{
			Id: &link, Flags: u32(0), Pos: u64(0), Fown: ownerEntry(fastcr.FileOwner{}), Name: &name,
		}})
	}
	t.ghosts.remaps = append(t.ghosts.remaps, &pb.RemapFilePathEntry{
		OrigId: &id, RemapId: &link, RemapType: pb.RemapType_LINKED.Enum(),
	})
	return nil
}

// remap says that the file entry id is a ghost.
func (g *ghostTable) remap(id uint32, p fastcr.PathRef) error {
	key := [2]uint64{p.Dev, p.Ino}
	if typ := p.Mode & unix.S_IFMT; (typ == unix.S_IFREG || typ == unix.S_IFLNK) && g.contents[key] == nil {
		return fmt.Errorf("deleted file %s: its content was not read", p.Path)
	}
	ghost, ok := g.ids[key]
	if !ok {
		g.files = append(g.files, p)
		ghost = uint32(len(g.files))
		g.ids[key] = ghost
	}
	g.remaps = append(g.remaps, &pb.RemapFilePathEntry{
		OrigId: &id, RemapId: &ghost, RemapType: pb.RemapType_GHOST.Enum(),
	})
	return nil
}

// remapProc says that the file entry id is of the process pid, which is gone: a restore makes one of that number,
// opens its files, and has it end. Once is enough for all of them.
func (g *ghostTable) remapProc(id uint32, pid int) {
	if g.helpers[pid] {
		return
	}
	g.helpers[pid] = true
	g.remaps = append(g.remaps, &pb.RemapFilePathEntry{OrigId: &id, RemapId: u32(pid), RemapType: pb.RemapType_PROCFS.Enum()})
}

// writeGhosts writes remap-fpath.img and one ghost-file image a deleted file.
func (e *Encoder) writeGhosts(d *Dir) error {
	g := &e.files.ghosts
	if len(g.remaps) == 0 {
		return nil
	}
	w := newImage(magicRemapFpath)
	for _, r := range g.remaps {
		if err := w.message(r); err != nil {
			return err
		}
	}
	if err := d.put("remap-fpath.img", w); err != nil {
		return err
	}
	for i := range g.files {
		if err := g.writeGhost(d, uint32(i+1), &g.files[i]); err != nil {
			return err
		}
	}
	return nil
}

func (g *ghostTable) writeGhost(d *Dir, id uint32, p *fastcr.PathRef) error {
	timeval := func(ns int64) *pb.Timeval {
		return &pb.Timeval{TvSec: u64(ns / nsecPerSec), TvUsec: u64(ns % nsecPerSec / 1000)}
	}
	e := &pb.GhostFileEntry{
		Uid: &p.UID, Gid: &p.GID, Mode: &p.Mode, Dev: u32(p.Dev), Ino: &p.Ino, Atim: timeval(p.Atime), Mtim: timeval(p.Mtime),
	}
	if typ := p.Mode & unix.S_IFMT; typ == unix.S_IFCHR || typ == unix.S_IFBLK {
		e.Rdev = u32(p.RDev)
	}
	content := g.contents[[2]uint64{p.Dev, p.Ino}]
	switch {
	case p.Mode&unix.S_IFMT == unix.S_IFLNK:
		e.SymlnkTarget = &content.Target
	case content != nil:
		e.Chunks, e.Size = boolean(true), &p.Size
	}
	w := newImage(magicGhostFile)
	if err := w.message(e); err != nil {
		return err
	}
	if content != nil {
		for _, x := range content.Extents {
			if err := w.message(&pb.GhostChunkEntry{Len: u64(len(x.Data)), Off: u64(x.Off)}); err != nil {
				return err
			}
			w.raw(x.Data)
		}
	}
	return d.put(fmt.Sprintf("ghost-file-%x.img", id), w)
}
