package images

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

func packetFile(d fastcr.PacketSocket) *fastcr.File {
	d.Read = true
	return &fastcr.File{Kind: fastcr.KindPacketSocket, Path: fastcr.PathRef{Path: "socket:[9]"}, Detail: &d}
}

func TestPacketSocketsUnfit(t *testing.T) {
	ring := func(used bool) *fastcr.PacketRing { return &fastcr.PacketRing{BlockSize: 4096, BlockNr: 2, Used: used} }
	unread := packetFile(fastcr.PacketSocket{})
	unread.Detail = &fastcr.PacketSocket{}
	for _, c := range []struct {
		name string
		file *fastcr.File
		want string // "": fits
	}{
		{"plain", packetFile(fastcr.PacketSocket{Type: unix.SOCK_RAW, RX: ring(false), VnetHdr: 10}), ""},
		{"a group", packetFile(fastcr.PacketSocket{HasFanout: true, FanoutMost: 256, Running: true}), ""},
		{"a small group", packetFile(fastcr.PacketSocket{HasFanout: true, FanoutMost: 2, Running: true}), "limit of its fanout group"},
		{"a group without packets", packetFile(fastcr.PacketSocket{HasFanout: true, FanoutMost: 256}), "interface is down"},
		{"no interface", packetFile(fastcr.PacketSocket{Ifindex: -1}), "gone"},
		{"a receive ring in use", packetFile(fastcr.PacketSocket{RX: ring(true)}), "PACKET_RX_RING"},
		{"a send ring in use", packetFile(fastcr.PacketSocket{TX: ring(true)}), "PACKET_TX_RING"},
		{"a larger header", packetFile(fastcr.PacketSocket{VnetHdr: 12}), "PACKET_VNET_HDR_SZ"},
		{"a locked filter", packetFile(fastcr.PacketSocket{Options: fastcr.SocketOptions{LockFilter: true}}), "SO_LOCK_FILTER"},
		{"a module", unread, "module"},
	} {
		tree := treeOf(c.file)
		found := Unfit(tree, tree.Processes)
		if c.want == "" && len(found) != 0 || c.want != "" && (len(found) != 1 || !strings.Contains(found[0].Error(), c.want) || !strings.Contains(found[0].Error(), "fd 0 (socket:[9])")) {
			t.Errorf("%s: %v, want %q", c.name, found, c.want)
		}
	}
}

// A ring is mapped again through a descriptor of the process that maps it.
func TestRingMappingsUnfit(t *testing.T) {
	const bytes, shared = 3 * 8192, fastcr.VMShared | fastcr.VMMayShare
	ring := fastcr.PacketRing{BlockSize: 8192, BlockNr: 1}
	double := fastcr.PacketRing{BlockSize: 8192, BlockNr: 2}
	for _, c := range []struct {
		name   string
		change func(t *fastcr.Tree, v *fastcr.VMA)
		want   string
	}{
		{"whole", func(*fastcr.Tree, *fastcr.VMA) {}, ""},
		{"private", func(_ *fastcr.Tree, v *fastcr.VMA) { v.Flags = 0 }, ""},
		{"written to", func(_ *fastcr.Tree, v *fastcr.VMA) { v.Flags, v.Anon = 0, true }, "written to"},
		{"the first half", func(_ *fastcr.Tree, v *fastcr.VMA) { v.End -= 4096 }, "a part"},
		{"a later part", func(_ *fastcr.Tree, v *fastcr.VMA) { v.Pgoff = 4096 }, "a part"},
		{"closed", func(_ *fastcr.Tree, v *fastcr.VMA) { v.File = 99 }, "no descriptor"},
		{"another socket", func(t *fastcr.Tree, _ *fastcr.VMA) { t.Files[0].Detail = &fastcr.InetSocket{} }, "no packet socket"},
		{"a shared table of a lower pid", func(t *fastcr.Tree, _ *fastcr.VMA) {
			t.Processes = append(t.Processes, &fastcr.Process{PID: 5, State: fastcr.TaskAlive, FilesID: 1})
		}, "no descriptor"},
		{"a shared table of a higher pid", func(t *fastcr.Tree, _ *fastcr.VMA) {
			t.Processes = append(t.Processes, &fastcr.Process{PID: 8, State: fastcr.TaskAlive, FilesID: 1})
		}, ""},
	} {
		tree := treeOf(packetFile(fastcr.PacketSocket{RX: &ring, TX: &double}))
		p := tree.Processes[0]
		p.VMAs = []fastcr.VMA{{Start: 0x10000, End: 0x10000 + bytes, Kind: fastcr.VMASocket, Flags: shared, File: tree.Files[0].ID}}
		c.change(tree, &p.VMAs[0])
		found := Unfit(tree, []*fastcr.Process{p})
		if c.want == "" && len(found) != 0 || c.want != "" && (len(found) == 0 || !strings.Contains(found[0].Error(), c.want) || !strings.Contains(found[0].Error(), "VMA 10000-")) {
			t.Errorf("%s: %v, want %q", c.name, found, c.want)
		}
	}
}

func TestPacketSocketEntry(t *testing.T) {
	sock := packetFile(fastcr.PacketSocket{
		Type: unix.SOCK_RAW, Protocol: 0x0008, Ifindex: 3, Version: unix.TPACKET_V3, VnetHdr: 10, HasFanout: true, Fanout: 0x10000007,
		RX:      &fastcr.PacketRing{BlockSize: 8192, BlockNr: 2, FrameSize: 2048, FrameNr: 8, RetireTmo: 33, SizeofPriv: 16, Features: 1},
		Members: []fastcr.PacketMember{{Ifindex: 3, Type: unix.PACKET_MR_PROMISC, Count: 2}, {Ifindex: 3, Type: unix.PACKET_MR_UNICAST, Addr: []byte{1, 2, 3, 4, 5, 6}, Count: 1}},
	})
	tree, opts := sampleTree()
	p := tree.Processes[0]
	sock.ID = 9
	tree.Files = append(tree.Files, sock)
	p.Files = append(p.Files, fastcr.FD{Num: 6, File: sock})
	p.VMAs = append(p.VMAs, fastcr.VMA{Start: 0xb00000, End: 0xb04000, Kind: fastcr.VMASocket, File: 9, Flags: fastcr.VMRead | fastcr.VMShared | fastcr.VMMayShare})
	dir := encoded(t, tree, opts)
	var e *pb.PacketSockEntry
	for _, f := range decode[pb.FileEntry](t, dir, "files.img", magicFiles) {
		if f.GetPsk() != nil {
			e = f.GetPsk()
		}
	}
	switch {
	case e == nil:
		t.Fatal("no packet socket in files.img")
	case e.GetProtocol() != 8, e.GetIfindex() != 3, e.GetVersion() != 2, !e.GetVnetHdr(), e.GetFanout() != 0x10000007, e.TxRing != nil:
		t.Errorf("%+v", e)
	case e.GetRxRing().GetFrameNr() != 8, e.GetRxRing().GetRetireTmo() != 33, e.GetRxRing().GetSizeofPriv() != 16:
		t.Errorf("ring %+v", e.GetRxRing())
	case len(e.Mclist) != 3, e.Mclist[0].Addr == nil, len(e.Mclist[0].Addr) != 0, e.Mclist[2].GetType() != unix.PACKET_MR_UNICAST, len(e.Mclist[2].Addr) != 6:
		t.Errorf("memberships %+v", e.Mclist)
	}
	vmas := decode[pb.MmEntry](t, dir, "mm-100.img", magicMM)[0].Vmas
	v := vmas[len(vmas)-2] // a guard is last
	if v.GetStatus() != vmaRegular|vmaSocket || v.GetShmid() != uint64(e.GetId()) || v.GetFlags() != unix.MAP_SHARED || v.GetFd() != -1 {
		t.Errorf("mapping %+v", v)
	}
}
