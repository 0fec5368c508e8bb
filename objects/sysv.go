package objects

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Segment is what the IPC namespace that fastcr is in knows of System V shared memory (struct shmid_ds).
type Segment struct {
	Key     int32
	Size    uint64 // bytes
	Removed bool   // IPC_RMID: it goes with its last attachment
}

// shmDest is SHM_DEST of linux/shm.h, a bit of the mode.
const shmDest = 0o1000

// ReadSegment asks for the segment id (shmctl(2), IPC_STAT). EINVAL and EIDRM say that there is none.
func ReadSegment(id int) (Segment, error) {
	var d unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &d); err != nil {
		return Segment{}, fmt.Errorf("shmctl of System V shared memory %d: %w", id, err)
	}
	return Segment{Key: d.Perm.Key, Size: uint64(d.Segsz), Removed: d.Perm.Mode&shmDest != 0}, nil
}

// SegmentsGo tells whether every segment goes with its last attachment in this IPC namespace
// (/proc/sys/kernel/shm_rmid_forced).
func SegmentsGo() bool {
	setting, err := os.ReadFile("/proc/sys/kernel/shm_rmid_forced")
	return err == nil && strings.TrimSpace(string(setting)) != "0"
}
