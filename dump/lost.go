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
		if o := socketOptions(f); o != nil && o.Timestamp {
			r.log.warn("encode", "%s: SO_TIMESTAMP is not in the images: messages come without the time of their arrival after a restore", f.Path.Path)
		}
	}
	eachSegment(r.tree, func(pid int, v *fastcr.VMA) {
		r.log.warn("encode", "pid %d: the content of System V shared memory %d is not in the images: a restore attaches the segment again", pid, v.SegmentID())
	})
}

// socketOptions are what all families have, nil if f is no socket.
func socketOptions(f *fastcr.File) *fastcr.SocketOptions {
	switch s := f.Detail.(type) {
	case *fastcr.UnixSocket:
		return &s.Options
	case *fastcr.InetSocket:
		return &s.Options
	case *fastcr.NetlinkSocket:
		return &s.Options
	case *fastcr.PacketSocket:
		return &s.Options
	}
	return nil
}
