package loader

import "github.com/fastcr/fastcr"

// enum packet_option
const (
	pktOrigdev = 1 << iota
	pktAuxdata
	pktLoss
	pktTxHasOff
	pktQdiscBypass
	pktIgnoreOutgoing
	pktRunning
	pktFanout
	pktSteered
)

// decodePacketSocket is what a socket of AF_PACKET has in common with others.
func decodePacketSocket(r *fileFileSocket, b *builder) {
	f, d := detail[fastcr.PacketSocket](b, r.File)
	f.Kind = fastcr.KindPacketSocket
	*d = fastcr.PacketSocket{
		Ino: f.Path.Ino, Type: r.Type, SndBuf: r.Sndbuf, RcvBuf: r.Rcvbuf,
		Options: socketOptions(r), QueuedPackets: r.Queued, NetNS: r.Netns, Members: d.Members,
	}
}

// decodePacket is struct packet_sock.
func decodePacket(rec []byte, b *builder) error {
	r, _, err := view[fileFilePacket](rec)
	if err != nil {
		return err
	}
	_, d := detail[fastcr.PacketSocket](b, r.File)
	is := func(option uint32) bool { return r.Options&option != 0 }
	d.Read, d.Protocol, d.Ifindex, d.Running = true, r.Protocol, r.Ifindex, is(pktRunning)
	d.Version, d.Reserve, d.Timestamp, d.CopyThresh = r.Version, r.Reserve, r.Timestamp, r.CopyThresh
	d.AuxData, d.OrigDev, d.Loss, d.VnetHdr = is(pktAuxdata), is(pktOrigdev), is(pktLoss), r.VnetHdr
	d.HasFanout, d.Fanout, d.FanoutMost, d.Steered = is(pktFanout), r.Fanout, r.FanoutMost, is(pktSteered)
	d.TxHasOff, d.QdiscBypass, d.IgnoreOutgoing = is(pktTxHasOff), is(pktQdiscBypass), is(pktIgnoreOutgoing)
	d.RX, d.TX = packetRing(&r.Rx), packetRing(&r.Tx)
	return nil
}

func packetRing(r *filePacketRing) *fastcr.PacketRing {
	if r.BlockNr == 0 {
		return nil
	}
	return &fastcr.PacketRing{
		BlockSize: r.BlockSize, BlockNr: r.BlockNr, FrameSize: r.FrameSize, FrameNr: r.FrameNr,
		RetireTmo: r.RetireTmo, SizeofPriv: r.SizeofPriv, Features: r.Features, Used: r.Used != 0,
	}
}

// decodeMember is struct packet_mclist.
func decodeMember(rec []byte, b *builder) error {
	r, _, err := view[fileFileMember](rec)
	if err != nil {
		return err
	}
	if !b.lists.add(r.File, recFileMember, r.Item) {
		return nil
	}
	_, d := detail[fastcr.PacketSocket](b, r.File)
	addr := append([]byte(nil), r.Addr[:min(r.Alen, uint32(len(r.Addr)))]...)
	d.Members = append(d.Members, fastcr.PacketMember{Ifindex: r.Ifindex, Type: r.Type, Addr: addr, Count: r.Count})
	return nil
}
