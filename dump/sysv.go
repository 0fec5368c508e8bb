package dump

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/objects"
)

// checkSegments wants the System V shared memory that the tree has attached to outlive it, as files
// do: a restore attaches it again, by its number.
func checkSegments(t *fastcr.Tree) error {
	var found []error
	eachSegment(t, func(pid int, v *fastcr.VMA) {
		reason, err := checkSegment(v)
		switch {
		case err != nil:
			found = append(found, err)
		case reason != "":
			found = append(found, &fastcr.RefusedError{PID: pid, FD: -1, Object: fmt.Sprintf("System V shared memory %d", v.SegmentID()), Reason: reason})
		}
	})
	return errors.Join(found...)
}

// eachSegment calls f with a mapping of each segment that the tree has attached.
func eachSegment(t *fastcr.Tree, f func(pid int, v *fastcr.VMA)) {
	seen := map[int]bool{}
	for _, p := range t.Processes {
		for i := range p.VMAs {
			if v := &p.VMAs[i]; v.Kind == fastcr.VMASysVShm && !seen[v.SegmentID()] {
				seen[v.SegmentID()] = true
				f(p.PID, v)
			}
		}
	}
}

// checkSegment says why a restore will not find the segment.
func checkSegment(v *fastcr.VMA) (reason string, _ error) {
	s, err := objects.ReadSegment(v.SegmentID())
	page := max(v.HugePage, 1)
	switch {
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EIDRM), err == nil && (s.Size+page-1)/page*page != v.Path.Size:
		return "is not of this IPC namespace", nil
	case err != nil:
		return "", err
	case s.Removed:
		return "is marked for removal (IPC_RMID): it goes with its last attachment, and no restore finds it", nil
	case objects.SegmentsGo():
		return "goes with its last attachment, as all do here (kernel.shm_rmid_forced), and no restore finds it", nil
	}
	return "", nil
}
