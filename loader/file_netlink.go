package loader

import (
	"math/bits"

	"github.com/fastcr/fastcr"
)

// decodeNetlinkSocket is what a socket of AF_NETLINK has in common with others.
func decodeNetlinkSocket(r *fileFileSocket, b *builder) {
	f, d := detail[fastcr.NetlinkSocket](b, r.File)
	f.Kind = fastcr.KindNetlinkSocket
	*d = fastcr.NetlinkSocket{
		Ino: f.Path.Ino, Protocol: r.Protocol, State: r.State, SndBuf: r.Sndbuf, RcvBuf: r.Rcvbuf,
		Options: socketOptions(r), QueuedPackets: r.Queued, NetNS: r.Netns,
	}
}

// decodeNetlink is struct netlink_sock.
func decodeNetlink(rec []byte, b *builder) error {
	r, _, err := view[fileFileNetlink](rec)
	if err != nil {
		return err
	}
	_, d := detail[fastcr.NetlinkSocket](b, r.File)
	d.Port, d.DstPort, d.DstGroup, d.Flags, d.Answering = r.Portid, r.DstPortid, r.DstGroup, r.Flags, r.Answering != 0
	d.Groups, d.MoreGroups = uint32(r.Groups), uint32(bits.OnesCount32(uint32(r.Groups))) < r.Subscriptions
	return nil
}
