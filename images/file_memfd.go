package images

import (
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// hugeShift is MAP_HUGE_SHIFT and MFD_HUGE_SHIFT: where flags hold a huge page's
// size, as the power of two that it is.
const hugeShift = 26

func hugeFlag(pageBytes uint64) uint32 {
	if pageBytes == 0 {
		return 0
	}
	return uint32(bits.TrailingZeros64(pageBytes)) << hugeShift
}

// memfdTable holds the shared memory objects in the order in which they are met: memfds,
// and anonymous shared memory, which is written as memfds as criu does. CRIU's other form,
// VMA_ANON_SHARED, makes the restorer wait at an object's first mapping until other
// processes have made all of theirs: where the mappings of two objects take turns, for ever.
type memfdTable struct {
	inodes map[fastcr.ShmID]*pb.MemfdInodeEntry
	order  []fastcr.ShmID
	mapped map[memfdOpen]uint32           // ids of their entries in files.img, as mappings open them
	told   map[fastcr.ShmID]*fastcr.Memfd // what open files tell
}

type memfdOpen struct {
	id    fastcr.ShmID
	flags uint32
}

func newMemfdTable(tree *fastcr.Tree) memfdTable {
	t := memfdTable{
		inodes: map[fastcr.ShmID]*pb.MemfdInodeEntry{}, mapped: map[memfdOpen]uint32{}, told: map[fastcr.ShmID]*fastcr.Memfd{},
	}
	for _, f := range tree.Files {
		if d, ok := f.Detail.(*fastcr.Memfd); ok {
			t.told[f.Path.Shm()] = d
		}
	}
	return t
}

// inode is an object's entry in memfd.img; its number is that of its pagemap-shmem image too.
// Seals are what an open file says: of what is only mapped nobody can see them.
func (t *memfdTable) inode(p *fastcr.PathRef, pageBytes uint64) *pb.MemfdInodeEntry {
	id := p.Shm()
	if e, ok := t.inodes[id]; ok {
		return e
	}
	d := t.told[id]
	if d == nil {
		d = &fastcr.Memfd{Seals: unix.F_SEAL_SEAL, HugePage: pageBytes}
	}
	n := uint32(len(t.order) + 1)
	e := &pb.MemfdInodeEntry{
		Name: str(strings.TrimPrefix(p.Path, "/memfd:")), Uid: &p.UID, Gid: &p.GID, Mode: &p.Mode, Size: &p.Size,
		Shmid: &n, Seals: &d.Seals, InodeId: u64(n),
	}
	if d.HugePage != 0 {
		e.HugetlbFlag = u32(unix.MFD_HUGETLB | hugeFlag(d.HugePage))
	}
	t.inodes[id] = e
	t.order = append(t.order, id)
	return e
}

// memfdMapping is the id of the file by which a mapping of shared memory is restored.
func (t *fileTable) memfdMapping(v *fastcr.VMA, flags uint32) uint32 {
	key := memfdOpen{v.Shm, flags}
	if id, ok := t.memfds.mapped[key]; ok {
		return id
	}
	id := t.next()
	t.addMemfd(id, t.memfds.inode(&v.Path, v.HugePage), flags, 0, fastcr.FileOwner{})
	t.memfds.mapped[key] = id
	return id
}

func (t *fileTable) addMemfd(id uint32, inode *pb.MemfdInodeEntry, flags uint32, pos uint64, owner fastcr.FileOwner) {
	t.add(pb.FdTypes_MEMFD, id, &pb.FileEntry{Memfd: &pb.MemfdFileEntry{
		Id: &id, Flags: &flags, Pos: &pos, Fown: ownerEntry(owner), InodeId: u32(*inode.InodeId),
	}})
}

func encodeMemfd(t *fileTable, id uint32, f *fastcr.File) error {
	if _, err := detail[fastcr.Memfd](f); err != nil {
		return err
	}
	t.addMemfd(id, t.memfds.inode(&f.Path, 0), f.Flags, f.Pos, f.Owner)
	return nil
}

// writeMemfds writes memfd.img, and a pagemap-shmem and a pages image for each object.
func (e *Encoder) writeMemfds(d *Dir) error {
	t := &e.files.memfds
	if len(t.order) == 0 {
		return nil
	}
	read := make(map[fastcr.ShmID]*Shared, len(e.opts.Shared))
	for i := range e.opts.Shared {
		read[e.opts.Shared[i].ID] = &e.opts.Shared[i]
	}
	w := newImage(magicMemfd)
	for _, id := range t.order {
		inode, s := t.inodes[id], read[id]
		if s == nil {
			return fmt.Errorf("shared memory %q (device %x, inode %d) was not read", *inode.Name, id.Dev, id.Ino)
		}
		if err := w.message(inode); err != nil {
			return err
		}
		if err := e.pagesPair(d, fmt.Sprintf("pagemap-shmem-%d.img", *inode.Shmid), plainSegments(s.Runs), s.Data); err != nil {
			return err
		}
	}
	return d.put("memfd.img", w)
}
