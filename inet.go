package fastcr

import (
	"fmt"
	"net/netip"
)

// States of a socket (TCP_* of the kernel's tcp_states.h); a datagram socket is
// established when it is connected, else closed.
const (
	StateEstablished = 1
	StateSynSent     = 2
	StateFinWait1    = 4
	StateFinWait2    = 5
	StateClose       = 7
	StateCloseWait   = 8
	StateLastAck     = 9
	StateListen      = 10
	StateClosing     = 11
)

// InetSocket is a socket of AF_INET or AF_INET6 (struct inet_sock): TCP, UDP, UDP-Lite, raw, ICMP.
type InetSocket struct {
	Object         KObj
	Ino            uint64
	Family         uint32 // AF_INET or AF_INET6
	Type, Protocol uint32 // SOCK_*, IPPROTO_*
	State          uint32
	Shutdown       uint32 // RCV_SHUTDOWN 1, SEND_SHUTDOWN 2
	Src, Dst       netip.AddrPort
	SndBuf, RcvBuf uint32 // bytes
	Options        SocketOptions
	QueuedPackets  uint32
	NetNS          uint32
	Backlog        uint32 // of a listener
	Waiting        uint32 // of a listener: connections that nobody has accepted

	V6Only, Freebind, PktInfo, HdrIncl, NoDefrag, NoDelay bool

	Cork                bool // TCP_CORK; UDP_CORK, or a datagram that is not complete
	TOS                 uint32
	TTL                 int32     // -1: the system's
	KeepIdle, KeepIntvl uint32    // seconds, 0: the system's
	KeepCnt             uint32    // probes, 0: the system's
	ICMPFilter          [8]uint32 // bits of types that are dropped; IPv4: the first

	Conn *TCPState // of a connection that was read

	// What the images do not hold.
	Transparent bool // IP_TRANSPARENT
	Multicast   bool // member of a group
	Receives    bool // control messages other than PktInfo's
	IPOptions   bool // IP_OPTIONS
	Tunnel      bool // UDP_ENCAP
	Layer       bool // TCP_ULP
	Signed      bool // TCP_MD5SIG
	Checksum    bool // IPV6_CHECKSUM
	Steered     bool // SO_ATTACH_REUSEPORT_CBPF or _EBPF
}

// Raw tells whether the program writes or reads what follows the IP header itself.
func (s *InetSocket) Raw() bool { return s.Type == sockRaw }

// TCP tells whether it is a TCP socket.
func (s *InetSocket) TCP() bool { return s.Type == sockStream && s.Protocol == protoTCP }

// Connected tells whether it is a TCP socket that has, or had, a connection.
func (s *InetSocket) Connected() bool { return s.TCP() && s.State != StateListen && s.Dst.Port() != 0 }

const (
	sockStream = 1
	sockDgram  = 2
	sockRaw    = 3
	protoTCP   = 6
)

// protocols are names of IPPROTO_* (linux/in.h).
var protocols = map[uint32]string{1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP", 136: "UDP-Lite", 256: "SMC", 262: "MPTCP"}

// String names the socket as a user knows it: "TCP socket 10.0.0.1:80 to 10.0.0.2:4711".
func (s *InetSocket) String() string {
	name, ok := protocols[s.Protocol]
	if !ok {
		name = fmt.Sprintf("protocol %d", s.Protocol)
	}
	if s.Raw() {
		name = "raw " + name
	}
	name += " socket " + s.Src.String()
	if s.Dst.Port() != 0 {
		name += " to " + s.Dst.String()
	}
	return name
}

// Connection is a TCP connection as its socket of the tree sees it.
type Connection struct{ Local, Remote netip.AddrPort }

// Connections are the TCP connections of the tree's sockets, each once.
func (t *Tree) Connections() (out []Connection) {
	for _, f := range t.Files {
		if s, ok := f.Detail.(*InetSocket); ok && s.Connected() {
			out = append(out, Connection{s.Src, s.Dst})
		}
	}
	return out
}

// TCPState is what a TCP connection is at (struct tcp_sock). Sequence numbers are those of
// the kernel: the receive queue is [CopiedSeq, RcvNxt), the send queue [SndUna, WriteSeq), of which from
// SndNxt on nothing was sent; a FIN takes a number too.
type TCPState struct {
	State                                               uint32
	RcvNxt, CopiedSeq, RcvWnd, RcvWup                   uint32
	SndUna, SndNxt, WriteSeq, SndWl1, SndWnd, MaxWindow uint32
	Options                                             uint32 // TCPI_OPT_TIMESTAMPS 1, _SACK 2, _WSCALE 4
	Timestamp, MSSClamp, SndWscale, RcvWscale           uint32
	Done                                                bool // a FIN was received
	Urgent                                              bool // urgent data waits
	Refs                                                int  // references to its open file (f_count)
}

// finSent tells whether the end of the send queue may be a FIN.
func (s *TCPState) finSent() bool {
	switch s.State {
	case StateFinWait1, StateFinWait2, StateClosing, StateLastAck:
		return true
	}
	return false
}

// Received is how many bytes wait to be read (SIOCINQ).
func (s *TCPState) Received() int {
	if s.State == StateSynSent {
		return 0
	}
	n := s.RcvNxt - s.CopiedSeq
	if n > 0 && s.Done {
		n--
	}
	return int(n)
}

// Unacked is how many bytes the peer has not acknowledged, those that were not sent included
// (SIOCOUTQ, but for a FIN).
func (s *TCPState) Unacked() int { return s.toSend(s.SndUna) }

// Unsent is how many bytes were not sent yet (SIOCOUTQNSD, but for a FIN).
func (s *TCPState) Unsent() int { return s.toSend(s.SndNxt) }

func (s *TCPState) toSend(from uint32) int {
	if s.State == StateSynSent || s.State == StateClose { // nobody waits for it any more
		return 0
	}
	n := s.WriteSeq - from
	if n > 0 && s.finSent() {
		n--
	}
	return int(n)
}

// TCPQueues are what waits in a connection: bytes to be read, and bytes that the peer has not acknowledged.
type TCPQueues struct{ Received, Unacked []byte }
