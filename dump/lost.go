package dump

import (
	"fmt"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images"
)

// noteLost says, in the log and the result, what of the tree the images do not hold.
func (r *run) noteLost() {
	for _, f := range r.tree.Files {
		if s, ok := f.Detail.(*fastcr.InetSocket); ok && !s.TCP() && s.QueuedPackets > 0 {
			r.lost("%s: %d datagrams that wait are not in the images", s, s.QueuedPackets)
		}
		if s, ok := f.Detail.(*fastcr.PacketSocket); ok && s.QueuedPackets > 0 {
			r.lost("%s: %d packets that wait are not in the images", s, s.QueuedPackets)
		}
		if s, ok := f.Detail.(*fastcr.NetlinkSocket); ok {
			for _, option := range images.LostNetlinkOptions(s) {
				r.lost("netlink socket %d, protocol %d: %s is not in the images: the kernel's acknowledgements are plain ones after a restore", s.Ino, s.Protocol, option)
			}
		}
		if o := socketOptions(f); o != nil && o.Timestamp {
			r.lost("%s: SO_TIMESTAMP is not in the images: messages come without the time of their arrival after a restore", f.Path.Path)
		}
	}
	eachSegment(r.tree, func(_ int, v *fastcr.VMA) {
		r.lost("System V shared memory %d: its content is not in the images, a restore attaches the segment again", v.SegmentID())
	})
}

func (r *run) lost(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	r.res.Lost = append(r.res.Lost, line)
	r.log.warn("encode", "%s", line)
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
