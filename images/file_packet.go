package images

import (
	"fmt"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// encodePacket writes packet_sock_entry. A membership that was asked for more than once is
// written as often: the kernel counts them.
func encodePacket(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.PacketSocket](f)
	if err != nil {
		return err
	}
	e := &pb.PacketSockEntry{
		Id: &id, Type: &d.Type, Protocol: &d.Protocol, Flags: &f.Flags, Ifindex: u32(d.Ifindex), Fown: ownerEntry(f.Owner),
		Opts:    socketOptions(&d.Options, d.SndBuf, d.RcvBuf, t.opts.Sockets[d.Ino]),
		Version: &d.Version, Reserve: &d.Reserve, AuxData: &d.AuxData, OrigDev: &d.OrigDev, VnetHdr: boolean(d.VnetHdr != 0), Loss: &d.Loss,
		Timestamp: &d.Timestamp, CopyThresh: &d.CopyThresh, RxRing: ringEntry(d.RX), TxRing: ringEntry(d.TX), NsId: u32(nsNet),
	}
	if d.HasFanout {
		e.Fanout = &d.Fanout
	}
	for i := range d.Members {
		m := &d.Members[i]
		for range m.Count {
			e.Mclist = append(e.Mclist, &pb.PacketMclist{Index: u32(m.Ifindex), Type: &m.Type, Addr: append([]byte{}, m.Addr...)})
		}
	}
	t.add(pb.FdTypes_PACKETSK, id, &pb.FileEntry{Psk: e})
	return nil
}

func ringEntry(r *fastcr.PacketRing) *pb.PacketRing {
	if r == nil {
		return nil
	}
	return &pb.PacketRing{
		BlockSize: &r.BlockSize, BlockNr: &r.BlockNr, FrameSize: &r.FrameSize, FrameNr: &r.FrameNr,
		RetireTmo: &r.RetireTmo, SizeofPriv: &r.SizeofPriv, Features: &r.Features,
	}
}

// What a restore sets anew: the header of virtio's v1.0, and groups of so many members.
const (
	vnetHeader = 10 // bytes
	fanoutMost = 256
)

// packetUnfit says what the images, or the restore, would make something else of. A restored ring
// begins at its first frame, where its program, whose memory says how far it has come, does
// not look: so only a ring that nothing has happened to is restored as it was.
func packetUnfit(d *fastcr.PacketSocket) string {
	if !d.Read {
		return "is a packet socket of a kernel that has them as a module, where they are not read"
	}
	if lost := optionsUnfit(&d.Options); lost != "" {
		return "is a socket with " + lost + ", which the images do not hold"
	}
	for _, lost := range []struct {
		has  bool
		what string
	}{
		{d.TxHasOff, "PACKET_TX_HAS_OFF"}, {d.QdiscBypass, "PACKET_QDISC_BYPASS"}, {d.IgnoreOutgoing, "PACKET_IGNORE_OUTGOING"},
		{d.Steered, "PACKET_FANOUT_DATA"}, {d.VnetHdr != 0 && d.VnetHdr != vnetHeader, "PACKET_VNET_HDR_SZ"},
		{d.HasFanout && d.FanoutMost != fanoutMost, "a limit of its fanout group's members"},
	} {
		if lost.has {
			return "is a socket with " + lost.what + ", which the images do not hold"
		}
	}
	switch {
	case d.Ifindex < 0:
		return "is bound to an interface that is gone: no restore can bind it"
	case d.HasFanout && !d.Running:
		return "is in a fanout group and receives nothing, as its interface is down: no restore can join"
	case d.RX != nil && d.RX.Used:
		return "has a ring (PACKET_RX_RING) in use, which a restore begins anew while the program goes on where it was"
	case d.TX != nil && d.TX.Used:
		return "has a ring (PACKET_TX_RING) in use, which a restore begins anew while the program goes on where it was"
	}
	return ""
}

// ringUnfit says why a restore cannot map the ring of a packet socket again: it does so through
// a descriptor of the same process, whole, and without what was written to a private mapping.
func ringUnfit(t *fastcr.Tree, p *fastcr.Process, v *fastcr.VMA) string {
	f := restoredIn(t, p, v.File)
	if f == nil {
		return "is memory of a socket of which the process has no descriptor that a restore could map it by"
	}
	d, ok := f.Detail.(*fastcr.PacketSocket)
	switch {
	case !ok:
		return "is memory of a socket that is no packet socket"
	case v.Pgoff != 0 || v.End-v.Start != d.RX.Bytes()+d.TX.Bytes():
		return "is a part of a packet socket's rings, which are mapped as a whole only"
	case v.Flags&fastcr.VMMayShare == 0 && v.Anon:
		return "is a private mapping of a packet socket's rings that was written to, which the images do not hold"
	}
	return ""
}

// restoredIn is the open file as far as a restore opens it in the process's own name: a table
// that processes share it fills in that of the lowest pid.
func restoredIn(t *fastcr.Tree, p *fastcr.Process, id fastcr.KObj) *fastcr.File {
	var table []fastcr.FD
	for _, other := range t.Processes {
		if other.State == fastcr.TaskDead || other.FilesID != p.FilesID {
			continue
		}
		if other.PID < p.PID {
			return nil
		}
		table = append(table, other.Files...)
	}
	for i := range table {
		if table[i].File.ID == id {
			return table[i].File
		}
	}
	return nil
}

// ringMapping is the file number of the packet socket whose rings a mapping is of.
func (t *fileTable) ringMapping(v *fastcr.VMA) (uint32, error) {
	if table := t.holders[v.File]; table != nil {
		for i := range table.fds {
			if f := table.fds[i].File; f.ID == v.File {
				id, _, err := t.file(f)
				return id, err
			}
		}
	}
	return 0, fmt.Errorf("VMA %x-%x is of a socket that nobody has open", v.Start, v.End)
}
