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
