package dump

import "github.com/fastcr/fastcr"

// logLost says what of the tree the images do not hold.
func (r *run) logLost() {
	for _, f := range r.tree.Files {
		if s, ok := f.Detail.(*fastcr.InetSocket); ok && !s.TCP() && s.QueuedPackets > 0 {
			r.log.warn("encode", "%s: %d datagrams that wait are not in the images", s, s.QueuedPackets)
		}
		if s, ok := f.Detail.(*fastcr.PacketSocket); ok && s.QueuedPackets > 0 {
			r.log.warn("encode", "%s: %d packets that wait are not in the images", s, s.QueuedPackets)
		}
	}
	eachSegment(r.tree, func(pid int, v *fastcr.VMA) {
		r.log.warn("encode", "pid %d: the content of System V shared memory %d is not in the images: a restore attaches the segment again", pid, v.SegmentID())
	})
}
