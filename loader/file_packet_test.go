package loader

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

const (
	loopback       = 1
	childMembers   = 300 // more than one program call writes
	childGroup     = unix.PACKET_FANOUT_CPU | unix.PACKET_FANOUT_FLAG_DEFRAG
	childEtherType = 0x9f9f // like itself in either order
)

// childPacketSockets has one with a ring that it maps, and one in a fanout group with memberships.
func childPacketSockets(at int) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	put(fd, err, at, 0)
	for _, o := range []struct{ name, value int }{
		{unix.PACKET_VERSION, unix.TPACKET_V3}, {unix.PACKET_RESERVE, 40}, {unix.PACKET_LOSS, 1}, {unix.PACKET_TIMESTAMP, 0x40},
		{unix.PACKET_COPY_THRESH, 77}, {unix.PACKET_TX_HAS_OFF, 1}, {unix.PACKET_IGNORE_OUTGOING, 1}, {unix.PACKET_QDISC_BYPASS, 1},
	} {
		must(unix.SetsockoptInt(at, unix.SOL_PACKET, o.name, o.value))
	}
	must(unix.SetsockoptTpacketReq3(at, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{
		Block_size: 8192, Block_nr: 3, Frame_size: 2048, Frame_nr: 12, Retire_blk_tov: 33, Sizeof_priv: 16, Feature_req_word: 1}))
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, childEtherType); err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: childEtherType, Ifindex: loopback})
	}
	put(fd, err, at+1, 0)
	must(unix.SetsockoptInt(at+1, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1))
	must(unix.SetsockoptInt(at+1, unix.SOL_PACKET, unix.PACKET_ORIGDEV, 1))
	must(unix.SetsockoptInt(at+1, unix.SOL_PACKET, unix.PACKET_FANOUT, unix.Getpid()&0xffff|childGroup<<16))
	for i := range childMembers {
		m := unix.PacketMreq{Ifindex: loopback, Type: unix.PACKET_MR_MULTICAST, Alen: 6, Address: [8]byte{1, 0, 0x5e, byte(i >> 8), byte(i)}}
		must(unix.SetsockoptPacketMreq(at+1, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m))
	}
	m := unix.PacketMreq{Ifindex: loopback, Type: unix.PACKET_MR_PROMISC}
	must(unix.SetsockoptPacketMreq(at+1, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m))
	must(unix.SetsockoptPacketMreq(at+1, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m))
}

func checkPackets(o *opened, all map[int]*opened) {
	checkPacketSocket(o)
	d := as[fastcr.PacketSocket](o)
	o.equal("ring", fmt.Sprintf("%+v", d.RX), fmt.Sprintf("%+v", &fastcr.PacketRing{
		BlockSize: 8192, BlockNr: 3, FrameSize: 2048, FrameNr: 12, RetireTmo: 33, SizeofPriv: 16, Features: 1}))
	o.equal("other ring", d.TX == nil, true)
	o = all[o.fd.Num+1]
	checkPacketSocket(o)
	d = as[fastcr.PacketSocket](o)
	o.equal("group's most", d.FanoutMost, uint32(256))
	o.equal("running", d.Running, true)
	o.equal("memberships", len(d.Members), childMembers+1)
	seen := map[string]bool{}
	for _, m := range d.Members {
		seen[fmt.Sprintf("%d %d %x %d", m.Ifindex, m.Type, m.Addr, m.Count)] = true
	}
	for i := range childMembers {
		if m := fmt.Sprintf("1 0 01005e%04x00 1", i); !seen[m] {
			o.t.Errorf("%s: no membership %s", o.name, m)
		}
	}
	o.equal("what was asked for twice", seen["1 1  2"], true)
}

// checkPacketSocket compares with what the socket itself says.
func checkPacketSocket(o *opened) {
	d := as[fastcr.PacketSocket](o)
	o.equal("type", d.Type, o.option(unix.SO_TYPE))
	o.equal("receive buffer", d.RcvBuf, o.option(unix.SO_RCVBUF))
	asked := func(opt int) uint32 {
		v, err := unix.GetsockoptInt(o.dup, unix.SOL_PACKET, opt)
		if err != nil {
			o.t.Errorf("%s: getsockopt %d: %v", o.name, opt, err)
		}
		return uint32(v)
	}
	for opt, v := range map[int]uint32{
		unix.PACKET_VERSION: d.Version, unix.PACKET_RESERVE: d.Reserve, unix.PACKET_TIMESTAMP: d.Timestamp, unix.PACKET_FANOUT: d.Fanout,
		unix.PACKET_VNET_HDR: d.VnetHdr,
	} {
		o.equal(fmt.Sprintf("option %d", opt), v, asked(opt))
	}
	for opt, v := range map[int]bool{
		unix.PACKET_AUXDATA: d.AuxData, unix.PACKET_ORIGDEV: d.OrigDev, unix.PACKET_LOSS: d.Loss, unix.PACKET_TX_HAS_OFF: d.TxHasOff,
		unix.PACKET_QDISC_BYPASS: d.QdiscBypass, unix.PACKET_IGNORE_OUTGOING: d.IgnoreOutgoing,
	} {
		o.equal(fmt.Sprintf("option %d", opt), v, asked(opt) != 0)
	}
	name, err := unix.Getsockname(o.dup)
	if err != nil {
		o.t.Fatal(err)
	}
	o.equal("protocol", d.Protocol, uint32(name.(*unix.SockaddrLinklayer).Protocol))
	o.equal("interface", int(d.Ifindex), name.(*unix.SockaddrLinklayer).Ifindex)
	if d.CopyThresh != 0 {
		o.equal("copy threshold", d.CopyThresh, uint32(77))
	}
}
