package netlock

import (
	"encoding/binary"
	"net/netip"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/loader"
)

// Conn is a TCP connection, seen from the socket that is locked. An IPv6 socket's
// IPv4 connection (::ffff:a.b.c.d) is what its packets are, IPv4. Zones are ignored.
type Conn = fastcr.Connection

// wire is the connection as its packets have it, and whether they are IPv6.
func wire(c Conn) (local, remote netip.Addr, v6 bool) {
	local, remote = c.Local.Addr().WithZone(""), c.Remote.Addr().WithZone("")
	if remote.Unmap().Is4() {
		return local.Unmap(), remote.Unmap(), false
	}
	return local, remote, true
}

// key is what the BPF programs look up.
func key(c Conn) (k loader.PacketKey) {
	local, remote, _ := wire(c)
	k.Local, k.Remote = local.As16(), remote.As16()
	binary.BigEndian.PutUint16(k.LocalPort[:], c.Local.Port())
	binary.BigEndian.PutUint16(k.RemotePort[:], c.Remote.Port())
	return k
}

// elements are the two directions as keys of criu's nftables sets: source
// address, source port, destination address, destination port, each padded to 4 bytes.
func elements(c Conn) (in, out []byte, v6 bool) {
	local, remote, v6 := wire(c)
	l, r := local.AsSlice(), remote.AsSlice()
	return element(r, c.Remote.Port(), l, c.Local.Port()), element(l, c.Local.Port(), r, c.Remote.Port()), v6
}

func element(from []byte, fromPort uint16, to []byte, toPort uint16) []byte {
	b := make([]byte, 0, 2*(len(from)+portSize))
	b = append(b, from...)
	b = append(binary.BigEndian.AppendUint16(b, fromPort), 0, 0)
	b = append(b, to...)
	return append(binary.BigEndian.AppendUint16(b, toPort), 0, 0)
}

// portSize is what a port takes in a key.
const portSize = 4
