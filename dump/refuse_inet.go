package dump

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// inetProtocols are those of sockets that are not raw; a raw one may have any.
var inetProtocols = []uint32{unix.IPPROTO_IP, unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_UDPLITE, unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6}

// tcpStates are those that a connection with a descriptor can be restored in.
var tcpStates = []uint32{
	fastcr.StateEstablished, fastcr.StateSynSent, fastcr.StateFinWait1, fastcr.StateFinWait2, fastcr.StateClose,
	fastcr.StateCloseWait, fastcr.StateLastAck, fastcr.StateClosing,
}

// checkInet looks at what a socket of AF_INET or AF_INET6 is, and what was allowed of it.
func (r *refusal) checkInet(p *fastcr.Process, fd *fastcr.FD, s *fastcr.InetSocket) {
	add := func(reason, advice string) { r.add(p.PID, fd.Num, s.String(), reason, advice) }
	if s.NetNS != r.self.Net {
		add("was made in another network namespace", "run fastcr in the same one")
	}
	switch {
	case s.Raw():
	case s.Type != unix.SOCK_STREAM && s.Type != unix.SOCK_DGRAM || !slices.Contains(inetProtocols, s.Protocol):
		advice := ""
		if s.Protocol == unix.IPPROTO_MPTCP {
			advice = "a Go program makes TCP sockets with GODEBUG=multipathtcp=0"
		}
		add("is of a protocol that is not restored", advice)
	case s.Type == unix.SOCK_DGRAM && s.Cork:
		add("is corked (UDP_CORK, MSG_MORE): the datagram that it gathers is not in the images", "let the program send it, then dump again")
	case s.TCP():
		r.checkTCP(p, fd, s, add)
	}
}

// references is how many references of the tree's to an open file there are. A frozen tree has no others:
// its threads have left their system calls.
func (r *refusal) references(f *fastcr.File) int {
	if r.refs == nil {
		r.refs = map[*fastcr.File]int{}
		for _, p := range r.tree.Processes {
			for i := range p.Files {
				r.refs[p.Files[i].File]++
			}
		}
	}
	return r.refs[f]
}

func (r *refusal) checkTCP(p *fastcr.Process, fd *fastcr.FD, s *fastcr.InetSocket, add func(reason, advice string)) {
	switch {
	case s.State == fastcr.StateListen:
		if s.Waiting > 0 && !r.opts.SkipInFlight {
			// A busy server accepts them in a moment.
			r.found = append(r.found, passingError{&fastcr.RefusedError{PID: p.PID, FD: fd.Num, Object: s.String(),
				Reason: fmt.Sprintf("has %d connections that nobody has accepted", s.Waiting),
				Advice: "let the program accept them, or give --skip-in-flight: they are not restored then"}})
		}
	case !s.Connected():
	case !slices.Contains(tcpStates, s.State):
		add(fmt.Sprintf("is in state %d, which is not restored", s.State), "try again later")
	case r.opts.TCPClose:
	case !r.opts.TCPEstablished:
		add("is a TCP connection", "give --tcp-established to dump and restore, or --tcp-close: its socket is kept then, closed")
	case s.Src.Addr().IsLinkLocalUnicast() && s.Src.Addr().Is6():
		add("is a TCP connection of an address that means something on one link only, which no restore binds", "give --tcp-close")
	case s.Conn != nil && !fd.File.InMessage && s.Conn.Refs > r.references(fd.File):
		// Repair mode, and the restore's connection beside the old one, would be its ruin. Whoever looks
		// at /proc/PID/fd (ss -p, lsof) or dumps at the same time has a reference for a moment, though.
		r.found = append(r.found, passingError{&fastcr.RefusedError{PID: p.PID, FD: fd.Num, Object: s.String(),
			Reason: "is a TCP connection that a process outside of the tree holds too",
			Advice: "dump the tree of the process that opened it, or give --tcp-close"}})
	case s.Conn != nil && s.Conn.Urgent:
		add("has urgent data (MSG_OOB) waiting, which the images do not hold", "let the program receive it, then dump again")
	}
}
