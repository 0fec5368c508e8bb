package images

import (
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// encodePidfd writes pidfd_entry. By ino a restore tells processes that are gone apart: all
// pidfds of one get the same helper process, which it kills.
func encodePidfd(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Pidfd](f)
	if err != nil {
		return err
	}
	ino, ok := t.gone[d.Object]
	if !ok {
		ino = uint32(len(t.gone) + 1)
		t.gone[d.Object] = ino
	}
	pid := int32(-1)
	if !d.Dead {
		pid = int32(d.PID)
	}
	flags := f.Flags &^ unix.O_RDWR
	t.add(pb.FdTypes_PIDFD, id, &pb.FileEntry{Pidfd: &pb.PidfdEntry{
		Id: &id, Ino: &ino, Flags: &flags, Nspid: &pid, Fown: ownerEntry(f.Owner),
	}})
	return nil
}
