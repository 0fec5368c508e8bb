package images

import (
	"fmt"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// Namespace ids. All processes are in fastcr's own namespaces: the numbers only
// have to be the same in the inventory and in every process.
const (
	nsPID = iota + 1
	nsNet
	nsIPC
	nsUTS
	nsTime
	nsMnt
	nsUser
	nsCgroup
)

// objectIDs numbers kernel objects in the order in which they are met. 1 stands
// for fastcr's own, as in the inventory.
type objectIDs struct {
	ids  map[fastcr.KObj]uint32
	last uint32
}

func newObjectIDs() *objectIDs { return &objectIDs{ids: map[fastcr.KObj]uint32{}, last: 1} }

func (o *objectIDs) of(k fastcr.KObj) uint32 {
	if id, ok := o.ids[k]; ok {
		return id
	}
	o.last++
	o.ids[k] = o.last
	return o.last
}

// kobjIDs are one process's ids (task_kobj_ids_entry).
func kobjIDs(vm, files, fs, sighand uint32) *pb.TaskKobjIdsEntry {
	return &pb.TaskKobjIdsEntry{
		VmId: &vm, FilesId: &files, FsId: &fs, SighandId: &sighand,
		PidNsId: u32(nsPID), NetNsId: u32(nsNet), IpcNsId: u32(nsIPC), UtsNsId: u32(nsUTS),
		TimeNsId: u32(nsTime), MntNsId: u32(nsMnt), UserNsId: u32(nsUser), CgroupNsId: u32(nsCgroup),
	}
}

func (e *Encoder) processIDs(p *fastcr.Process) *pb.TaskKobjIdsEntry {
	return kobjIDs(e.vm.of(p.MMID), e.fdTables.of(p.FilesID), e.fs.of(p.FSID), e.sighand.of(p.SighandID))
}

func (e *Encoder) writeIDs(d *Dir, p *fastcr.Process) error {
	w := newImage(magicIDs)
	if err := w.message(e.processIDs(p)); err != nil {
		return err
	}
	return d.put(fmt.Sprintf("ids-%d.img", p.PID), w)
}

// Pointers for protobuf's optional fields.
func u32[T ~int | ~int32 | ~uint32 | ~uint8 | ~uint16 | ~int64 | ~uint64](v T) *uint32 {
	return new(uint32(uint32(v)))
}
func u64[T ~int | ~int64 | ~uint64 | ~uint32](v T) *uint64 { return new(uint64(uint64(v))) }
func str(s string) *string                                 { return &s }
func boolean(b bool) *bool                                 { return &b }
