package loader

import (
	"fmt"

	"github.com/fastcr/fastcr"
)

const recTCP = 120

// enum tcp_option
const (
	tcpOptions   = 7 // TCPI_OPT_TIMESTAMPS, _SACK, _WSCALE
	tcpDone      = 0x100
	tcpUrgent    = 0x200
	tcpReuseaddr = 0x400
	tcpUnstable  = 0x800
)

// decodeTCP is struct tcp_sock.
func decodeTCP(rec []byte, b *builder) error {
	if recordType(rec) != recTCP {
		return fmt.Errorf("%w: type %d", errRecord, recordType(rec))
	}
	r, _, err := view[tcpTcpRec](rec)
	if err != nil {
		return err
	}
	_, d := detail[fastcr.InetSocket](b, r.File)
	d.Conn = tcpState(r)
	return nil
}

func tcpState(r *tcpTcpRec) *fastcr.TCPState {
	return &fastcr.TCPState{
		State: r.State, Options: r.Options & tcpOptions, Done: r.Options&tcpDone != 0, Urgent: r.Options&tcpUrgent != 0,
		RcvNxt: r.RcvNxt, CopiedSeq: r.CopiedSeq, RcvWnd: r.RcvWnd, RcvWup: r.RcvWup,
		SndUna: r.SndUna, SndNxt: r.SndNxt, WriteSeq: r.WriteSeq, SndWl1: r.SndWl1, SndWnd: r.SndWnd, MaxWindow: r.MaxWindow,
		Refs: int(r.Refs), Timestamp: r.Timestamp, MSSClamp: r.MssClamp, SndWscale: r.SndWscale, RcvWscale: r.RcvWscale,
	}
}

// SeenTCP is a TCP connection of the tree and through which descriptor it was met.
type SeenTCP struct {
	PID, FD   int
	Object    fastcr.KObj
	State     fastcr.TCPState
	Reuseaddr bool // SO_REUSEADDR
	Unstable  bool // it changed while it was read
}

// ReadTCP reads what the TCP connections are at. It is for when they stand still: after Collect, when
// their packets are held. Decode has it then.
func (s *Session) ReadTCP() error {
	if err := s.source("tcp").read(s); err != nil {
		return fmt.Errorf("tcp: %w", err)
	}
	return nil
}

// EachTCP calls f with the connections that ReadTCP met, each as often as there is a descriptor for it.
func (s *Session) EachTCP(f func(SeenTCP) error) error {
	return s.each("tcp", func(rec []byte) error {
		r, _, err := view[tcpTcpRec](rec)
		if err != nil {
			return err
		}
		return f(SeenTCP{PID: int(r.Tgid), FD: int(r.Fd), Object: fastcr.KObj(r.Object), State: *tcpState(r),
			Reuseaddr: r.Options&tcpReuseaddr != 0, Unstable: r.Options&tcpUnstable != 0})
	})
}
