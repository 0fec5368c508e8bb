package images

import (
	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// netlinkConnected is NETLINK_CONNECTED of sock.sk_state.
const netlinkConnected = 1

// netlinkOptions are the bits of netlink_sock.flags that are socket options, which the images do not hold.
var netlinkOptions = []struct {
	bit  int
	name string
	hint bool // it only makes the kernel's acknowledgements other ones to read: it is lost
}{
	{1, "NETLINK_PKTINFO", false}, {2, "NETLINK_BROADCAST_ERROR", false}, {3, "NETLINK_NO_ENOBUFS", false},
	{4, "NETLINK_LISTEN_ALL_NSID", false}, {5, "NETLINK_CAP_ACK", true}, {6, "NETLINK_EXT_ACK", true},
	{7, "NETLINK_GET_STRICT_CHK", false},
}

// LostNetlinkOptions names the socket's options that a restore does not set, and a program can do without.
func LostNetlinkOptions(d *fastcr.NetlinkSocket) (names []string) {
	for _, o := range netlinkOptions {
		if o.hint && d.Flags>>o.bit&1 != 0 {
			names = append(names, o.name)
		}
	}
	return names
}

// encodeNetlink writes netlink_sk_entry. A socket that is connected to the kernel sends
// where one that is not connected does: a restore would make a group of no group.
func encodeNetlink(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.NetlinkSocket](f)
	if err != nil {
		return err
	}
	e := &pb.NetlinkSkEntry{
		Id: &id, Ino: u32(d.Ino), Protocol: &d.Protocol, State: u32(0), Flags: &f.Flags, Portid: &d.Port,
		DstPortid: &d.DstPort, DstGroup: &d.DstGroup, Fown: ownerEntry(f.Owner), NsId: u32(nsNet),
		Opts: socketOptions(&d.Options, d.SndBuf, d.RcvBuf, t.opts.Sockets[d.Ino]),
	}
	if d.Groups != 0 {
		e.Groups = []uint32{d.Groups}
	}
	if d.State == netlinkConnected && d.DstGroup != 0 {
		e.State = &d.State
	}
	t.add(pb.FdTypes_NETLINKSK, id, &pb.FileEntry{Nlsk: e})
	return nil
}

func netlinkUnfit(d *fastcr.NetlinkSocket) string {
	if lost := optionsUnfit(&d.Options); lost != "" {
		return "is a socket with " + lost + ", which the images do not hold"
	}
	for _, o := range netlinkOptions {
		if !o.hint && d.Flags>>o.bit&1 != 0 {
			return "is a netlink socket with " + o.name + ", which the images do not hold"
		}
	}
	switch {
	case d.QueuedPackets > 0 || d.Answering:
		return "is a netlink socket with messages waiting, which the images do not hold"
	case d.MoreGroups:
		return "is a netlink socket in groups beyond the 32nd, which a restore does not join"
	case d.Groups != 0 && d.Port == 0:
		return "is a netlink socket in groups without a port, which a restore does not do again"
	case d.State == netlinkConnected && d.DstGroup == 0 && d.DstPort != 0:
		return "is a netlink socket that is connected to a port, from which a restore makes a group"
	case d.State == netlinkConnected && d.DstGroup > 32:
		return "is a netlink socket that is connected to a group beyond the 32nd"
	}
	return ""
}
