package fastcr

import (
	"fmt"
	"math/bits"
)

// PacketSocket is a socket of AF_PACKET (struct packet_sock).
type PacketSocket struct {
	Ino            uint64
	Type           uint32 // SOCK_RAW, SOCK_DGRAM, SOCK_PACKET
	SndBuf, RcvBuf uint32 // bytes
	Options        SocketOptions
	QueuedPackets  uint32
	NetNS          uint32

	Read     bool   // what follows; the kernel's type information may lack it
	Protocol uint32 // ETH_P_* in network order, as socket(2) takes it
	Ifindex  int32  // 0: not bound, -1: the interface is gone
	Running  bool   // packets come to it

	Version, Reserve, Timestamp, CopyThresh uint32 // PACKET_VERSION …
	AuxData, OrigDev, Loss                  bool
	VnetHdr                                 uint32 // bytes of the header before each packet, 0: none

	HasFanout  bool
	Fanout     uint32 // id, type and flags as PACKET_FANOUT takes them
	FanoutMost uint32 // members of the group
	RX, TX     *PacketRing
	Members    []PacketMember

	// What the images do not hold.
	Steered        bool // PACKET_FANOUT_DATA
	TxHasOff       bool // PACKET_TX_HAS_OFF
	QdiscBypass    bool // PACKET_QDISC_BYPASS
	IgnoreOutgoing bool // PACKET_IGNORE_OUTGOING
}

// PacketRing is a ring of a packet socket that it shares with its program (struct tpacket_req3).
type PacketRing struct {
	BlockSize, BlockNr, FrameSize, FrameNr uint32 // bytes, blocks, bytes, frames
	RetireTmo, SizeofPriv, Features        uint32 // milliseconds, bytes, TP_FT_REQ_*; TPACKET_V3's
	Used                                   bool   // its place has moved, or there is something in it
}

// Bytes is the ring's size in a mapping; a nil ring has none.
func (r *PacketRing) Bytes() uint64 {
	if r == nil {
		return 0
	}
	return uint64(r.BlockSize) * uint64(r.BlockNr)
}

// PacketMember is what a packet socket has its interface receive too (struct packet_mclist).
type PacketMember struct {
	Ifindex int32
	Type    uint32 // PACKET_MR_*
	Addr    []byte
	Count   uint32 // how often it was asked for
}

// String names the socket: "packet socket, type 3, protocol 0x800, interface 1".
func (s *PacketSocket) String() string {
	name := fmt.Sprintf("packet socket, type %d, protocol %#x", s.Type, bits.ReverseBytes16(uint16(s.Protocol)))
	if s.Ifindex > 0 {
		name += fmt.Sprintf(", interface %d", s.Ifindex)
	}
	return name
}
