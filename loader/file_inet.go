package loader

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// enum inet_option
const (
	inetFreebind = 1 << iota
	inetPktinfo
	inetHdrincl
	inetNodefrag
	inetTransparent
	inetV6only
	inetCork
	inetNodelay
	inetMulticast
	inetReceives
	inetIPOptions
	inetTunnel
	inetLayer
	inetSigned
	inetChecksum
	inetSteered
)

// decodeInetSocket is what a socket of AF_INET or AF_INET6 has in common with others.
func decodeInetSocket(r *fileFileSocket, b *builder) {
	f, d := detail[fastcr.InetSocket](b, r.File)
	f.Kind = fastcr.KindInetSocket
	*d = fastcr.InetSocket{
		Object: fastcr.KObj(r.Object), Ino: f.Path.Ino, Family: r.Family, Type: r.Type, Protocol: r.Protocol, State: r.State,
		Shutdown: r.Shutdown, SndBuf: r.Sndbuf, RcvBuf: r.Rcvbuf, Options: socketOptions(r), QueuedPackets: r.Queued, NetNS: r.Netns,
	}
	if r.State == stateListen {
		d.Backlog = r.Backlog
	}
}

// decodeInet is struct inet_sock.
func decodeInet(rec []byte, b *builder) error {
	r, _, err := view[fileFileInet](rec)
	if err != nil {
		return err
	}
	_, d := detail[fastcr.InetSocket](b, r.File)
	d.Src, d.Dst = inetAddress(d.Family, r.Src, r.Sport), inetAddress(d.Family, r.Dst, r.Dport)
	is := func(option uint32) bool { return r.Options&option != 0 }
	d.V6Only, d.Freebind, d.PktInfo, d.HdrIncl, d.NoDefrag = is(inetV6only), is(inetFreebind), is(inetPktinfo), is(inetHdrincl), is(inetNodefrag)
	d.Cork, d.NoDelay, d.Transparent, d.Multicast, d.Receives = is(inetCork), is(inetNodelay), is(inetTransparent), is(inetMulticast), is(inetReceives)
	d.IPOptions, d.Tunnel, d.Layer, d.Signed, d.Checksum, d.Steered = is(inetIPOptions), is(inetTunnel), is(inetLayer), is(inetSigned), is(inetChecksum), is(inetSteered)
	d.TOS, d.TTL, d.KeepCnt, d.ICMPFilter = r.Tos, r.Ttl, r.Keepcnt, r.IcmpFilter
	d.KeepIdle, d.KeepIntvl = uint32(uint64(r.Keepidle)/tickRate()), uint32(uint64(r.Keepintvl)/tickRate())
	if d.State == stateListen {
		d.Waiting = r.Waiting
	}
	return nil
}

// inetAddress is an address of 4 or 16 bytes and a port. One of 4 bytes in an
// AF_INET6 socket stays in its 16.
func inetAddress(family uint32, addr [16]uint8, port uint32) netip.AddrPort {
	a := netip.AddrFrom16(addr)
	if family == unix.AF_INET {
		a = netip.AddrFrom4([4]byte(addr[:4]))
	}
	return netip.AddrPortFrom(a, uint16(port))
}

// AppendConnections appends the TCP connections of the last Collect to a list, each as often
// as there is a descriptor for it. It does not allocate if the list has room.
func (s *Session) AppendConnections(list []fastcr.Connection) ([]fastcr.Connection, error) {
	var last fileFileSocket
	err := s.each("file", func(rec []byte) error {
		switch recordType(rec) {
		case recFileSocket:
			r, _, err := view[fileFileSocket](rec)
			if err != nil {
				return err
			}
			last = *r
		case recFileInet:
			r, _, err := view[fileFileInet](rec)
			if err != nil {
				return err
			}
			d := fastcr.InetSocket{Type: last.Type, Protocol: last.Protocol, State: last.State, Dst: inetAddress(last.Family, r.Dst, r.Dport)}
			if d.Connected() {
				list = append(list, fastcr.Connection{Local: inetAddress(last.Family, r.Src, r.Sport), Remote: d.Dst})
			}
		}
		return nil
	})
	return list, err
}
