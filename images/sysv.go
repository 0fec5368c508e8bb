package images

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
	"github.com/fastcr/fastcr/memory"
)

// attached stands, in the place of a descriptor, for "the mapping before this one attached it"
// (criu's SYSV_SHMEM_SKIP_FD).
const attached = 0x7fffffff

// attachment fills in how System V shared memory is attached again. The segment is an object of
// the IPC namespace: it stays when the tree is gone, and its content is not in the images. criu itself
// collects segments of a tree's own namespace only. In any other a mapping's fd in the image is what the
// restorer hands to shmat(2), which attaches the whole segment, for writing if the first mapping's
// protection has PROT_EXEC; what the program made of the protection since is set afterwards.
func attachment(v *fastcr.VMA, out *pb.VmaEntry) {
	out.Shmid, out.Fd = u64(v.SegmentID()), new(int64(v.SegmentID()))
	if v.Pgoff != 0 {
		out.Fd = new(int64(attached))
	} else if v.Flags&fastcr.VMMayWrite != 0 {
		*out.Prot |= unix.PROT_EXEC
	}
}

// checkAttachments wants System V shared memory to be attached as one shmat(2) does it.
func (u *unfit) checkAttachments(p *fastcr.Process) {
	for vmas := p.VMAs; len(vmas) > 0; {
		n := 1
		if vmas[0].Kind == fastcr.VMASysVShm {
			n = attachmentLen(vmas)
			if reason := attachmentUnfit(vmas[:n]); reason != "" {
				first, last := &vmas[0], &vmas[n-1]
				u.add(p.PID, -1, fmt.Sprintf("VMA %x-%x, System V shared memory %d", first.Start, last.End, first.SegmentID()), reason)
			}
		}
		vmas = vmas[n:]
	}
}

// attachmentLen is how many mappings from the first on are of one attachment: with different protection, for example.
func attachmentLen(vmas []fastcr.VMA) int {
	n := 1
	for ; n < len(vmas); n++ {
		before, v := &vmas[n-1], &vmas[n]
		if v.File != before.File || v.Start != before.End || v.Pgoff != before.Pgoff+before.End-before.Start {
			break
		}
	}
	return n
}

func attachmentUnfit(vmas []fastcr.VMA) string {
	size := (vmas[0].Path.Size + memory.PageSize - 1) / memory.PageSize * memory.PageSize
	if vmas[0].Pgoff != 0 || vmas[len(vmas)-1].End-vmas[0].Start != size {
		return fmt.Sprintf("is not the whole of the segment of %d bytes, which a restore attaches", vmas[0].Path.Size)
	}
	for i := range vmas {
		switch {
		case vmas[i].Flags&fastcr.VMExec != 0:
			return "is attached for execution, which a restore does not do again"
		case vmas[i].Flags&fastcr.VMLocked != 0:
			return "is locked (mlock), which a restore does not do again"
		}
	}
	return ""
}
