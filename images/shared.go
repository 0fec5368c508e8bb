package images

import (
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// sharedName is what the kernel calls anonymous shared memory, and criu names the
// memfd that it restores it as.
const sharedName = "/dev/zero"

// sharedTable holds the objects of anonymous shared memory in the order in which they are
// met. They are written as memfds, as criu does. CRIU's other form, VMA_ANON_SHARED,
// makes the restorer wait at an object's first mapping until other processes have
// made all of theirs: where the mappings of two objects take turns, for ever.
type sharedTable struct {
	files  map[fastcr.ShmID]uint32 // id of the memfd's entry in files.img
	inodes []*pb.MemfdInodeEntry
}

func newSharedTable() sharedTable { return sharedTable{files: map[fastcr.ShmID]uint32{}} }

// sharedFile is the id of the file by which a mapping of anonymous shared memory is restored.
func (e *Encoder) sharedFile(v *fastcr.VMA) uint32 {
	t := &e.shared
	if id, ok := t.files[v.Shm]; ok {
		return id
	}
	inode := u64(len(t.inodes) + 1)
	p := v.Path
	t.inodes = append(t.inodes, &pb.MemfdInodeEntry{
		Name: str(sharedName), Uid: &p.UID, Gid: &p.GID, Mode: &p.Mode, Size: &p.Size,
		Shmid: u32(e.shmID(v.Shm)), Seals: u32(unix.F_SEAL_SEAL), InodeId: inode,
	})
	id := e.files.next()
	t.files[v.Shm] = id
	e.files.add(pb.FdTypes_MEMFD, id, &pb.FileEntry{Memfd: &pb.MemfdFileEntry{
		Id: &id, Flags: u32(0), Pos: u64(0), Fown: ownerEntry(fastcr.FileOwner{}), InodeId: u32(*inode),
	}})
	return id
}

// writeMemfds writes memfd.img; the objects' pages are in pagemap-shmem images.
func (e *Encoder) writeMemfds(d *Dir) error {
	if len(e.shared.inodes) == 0 {
		return nil
	}
	w := newImage(magicMemfd)
	for _, inode := range e.shared.inodes {
		if err := w.message(inode); err != nil {
			return err
		}
	}
	return d.put("memfd.img", w)
}
