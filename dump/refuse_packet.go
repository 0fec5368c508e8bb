package dump

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/objects"
)

// packetNameMost is how many letters of an interface's name fit into the address by which a restore
// binds a socket of SOCK_PACKET (struct sockaddr).
const packetNameMost = 13

// checkPacket looks at where a socket of AF_PACKET is bound.
func (r *refusal) checkPacket(p *fastcr.Process, fd *fastcr.FD, s *fastcr.PacketSocket) {
	if s.NetNS != r.self.Net {
		r.add(p.PID, fd.Num, s.String(), "was made in another network namespace", "run fastcr in the same one")
		return
	}
	if s.Type != unix.SOCK_PACKET || s.Ifindex <= 0 {
		return
	}
	if name, err := objects.InterfaceName(s.Ifindex); err == nil && len(name) > packetNameMost {
		r.add(p.PID, fd.Num, s.String(), fmt.Sprintf("is bound to %s, a name of more than %d letters, which a restore cuts off", name, packetNameMost),
			"rename the interface")
	}
}
