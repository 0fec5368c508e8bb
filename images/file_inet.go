package images

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

const shutdownBoth = 3 // RCV_SHUTDOWN | SEND_SHUTDOWN

// encodeInet writes a TCP, UDP, UDP-Lite, raw or ICMP socket (inet_sk_entry).
func encodeInet(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.InetSocket](f)
	if err != nil {
		return err
	}
	asked := t.opts.Sockets[d.Ino]
	e := &pb.InetSkEntry{
		Id: &id, Ino: u32(d.Ino), Family: &d.Family, Type: &d.Type, Proto: &d.Protocol, State: &d.State,
		SrcPort: u32(d.Src.Port()), DstPort: u32(d.Dst.Port()), SrcAddr: addressWords(d.Src), DstAddr: addressWords(d.Dst),
		Flags: &f.Flags, Backlog: &d.Backlog, Fown: ownerEntry(f.Owner), NsId: u32(nsNet),
		Opts: socketOptions(&d.Options, d.SndBuf, d.RcvBuf, asked), IpOpts: ipOptions(d), TcpOpts: &pb.TcpOptsEntry{},
	}
	if d.Family == unix.AF_INET6 {
		e.V6Only = &d.V6Only
	}
	if asked != nil && asked.Device != "" && scoped(d.Src.Addr()) {
		e.Ifname = &asked.Device
	}
	if d.TCP() {
		e.TcpOpts = tcpOptions(d)
	}
	if d.Conn != nil {
		e.State = &d.Conn.State
	}
	if d.Shutdown != 0 {
		e.Shutdown = pb.SkShutdown(d.Shutdown).Enum()
	}
	t.add(pb.FdTypes_INETSK, id, &pb.FileEntry{Isk: e})
	return nil
}

// scoped tells whether an address means something on one link only.
func scoped(a netip.Addr) bool {
	return a.Is6() && (a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast())
}

// addressWords are the 4 or 16 bytes of an address as words that lie in memory like it.
func addressWords(a netip.AddrPort) []uint32 {
	b := a.Addr().AsSlice()
	w := make([]uint32, len(b)/4)
	for i := range w {
		w[i] = binary.NativeEndian.Uint32(b[i*4:])
	}
	return w
}

// ipOptions holds what is set only: the restore leaves the rest as the system has it.
func ipOptions(d *fastcr.InetSocket) *pb.IpOptsEntry {
	e := &pb.IpOptsEntry{Freebind: set(d.Freebind), Pktinfo: set(d.PktInfo)}
	if d.Family == unix.AF_INET {
		e.Tos = nonzero(d.TOS)
		if d.TTL >= 0 {
			e.Ttl = u32(d.TTL)
		}
	}
	if !d.Raw() {
		return e
	}
	e.Raw = &pb.IpOptsRawEntry{Hdrincl: set(d.HdrIncl), Nodefrag: set(d.NoDefrag)}
	switch {
	case d.Family == unix.AF_INET && d.Protocol == unix.IPPROTO_ICMP:
		e.Raw.IcmpvFilter = d.ICMPFilter[:1]
	case d.Family == unix.AF_INET6 && d.Protocol == unix.IPPROTO_ICMPV6:
		e.Raw.IcmpvFilter = d.ICMPFilter[:]
	}
	return e
}

func tcpOptions(d *fastcr.InetSocket) *pb.TcpOptsEntry {
	return &pb.TcpOptsEntry{
		Cork: set(d.Cork), Nodelay: set(d.NoDelay),
		Keepcnt: nonzero(d.KeepCnt), Keepidle: nonzero(d.KeepIdle), Keepintvl: nonzero(d.KeepIntvl),
	}
}

// set is an optional field that is there when it is true.
func set(v bool) *bool {
	if !v {
		return nil
	}
	return &v
}

// nonzero is an optional field that is there when it is not 0.
func nonzero(v uint32) *uint32 {
	if v == 0 {
		return nil
	}
	return &v
}

// inetUnfit says what the images, or the restore, would make something else of.
func inetUnfit(d *fastcr.InetSocket) string {
	if lost := optionsUnfit(&d.Options); lost != "" {
		return "is a socket with " + lost + ", which the images do not hold"
	}
	for _, lost := range []struct {
		has  bool
		what string
	}{
		{d.Transparent, "IP_TRANSPARENT"}, {d.Multicast, "membership in a multicast group"}, {d.IPOptions, "IP_OPTIONS"},
		{d.Receives, "control messages other than IP_PKTINFO's asked for"}, {d.Tunnel, "UDP_ENCAP"}, {d.Layer, "a protocol on top (TCP_ULP)"},
		{d.Signed, "TCP_MD5SIG"}, {d.Checksum, "IPV6_CHECKSUM"}, {d.Steered, "SO_ATTACH_REUSEPORT_CBPF or _EBPF"},
	} {
		if lost.has {
			return "is a socket with " + lost.what + ", which the images do not hold"
		}
	}
	ping := d.Type == unix.SOCK_DGRAM && (d.Protocol == unix.IPPROTO_ICMP || d.Protocol == unix.IPPROTO_ICMPV6)
	switch {
	case !d.TCP() && d.State == stateEstablished && d.Dst.Port() == 0 && d.Shutdown != shutdownBoth:
		return "is connected to " + d.Dst.Addr().String() + " without a port, which a restore does not do again"
	case ping && !d.Src.Addr().IsUnspecified():
		return "is an ICMP socket bound to " + d.Src.Addr().String() + ", which a restore does not do again"
	}
	return ""
}
