package fastcr

import (
	"net/netip"
	"testing"
)

func TestTCPStateQueues(t *testing.T) {
	for _, c := range []struct {
		name                      string
		s                         TCPState
		received, unacked, unsent int
	}{
		{"empty", TCPState{State: StateEstablished, RcvNxt: 7, CopiedSeq: 7, SndUna: 9, SndNxt: 9, WriteSeq: 9}, 0, 0, 0},
		{"over the end of the numbers", TCPState{State: StateEstablished, RcvNxt: 5, CopiedSeq: 1<<32 - 5, SndUna: 1<<32 - 1, SndNxt: 2, WriteSeq: 4}, 10, 5, 2},
		{"a FIN waits behind bytes", TCPState{State: StateCloseWait, Done: true, RcvNxt: 11}, 10, 0, 0},
		{"a FIN was read", TCPState{State: StateCloseWait, Done: true, RcvNxt: 11, CopiedSeq: 11}, 0, 0, 0},
		{"a FIN behind what is not acknowledged", TCPState{State: StateFinWait1, WriteSeq: 11, SndNxt: 11}, 0, 10, 0},
		{"a FIN that was not sent", TCPState{State: StateFinWait1, WriteSeq: 11, SndNxt: 5}, 0, 10, 5},
		{"all is acknowledged", TCPState{State: StateFinWait2, SndUna: 11, WriteSeq: 11, SndNxt: 11}, 0, 0, 0},
		{"not connected yet", TCPState{State: StateSynSent, SndUna: 10, SndNxt: 11, WriteSeq: 11, RcvNxt: 5}, 0, 0, 0},
		{"reset", TCPState{State: StateClose, RcvNxt: 5, WriteSeq: 7}, 5, 0, 0},
	} {
		if in, out, unsent := c.s.Received(), c.s.Unacked(), c.s.Unsent(); in != c.received || out != c.unacked || unsent != c.unsent {
			t.Errorf("%s: %d %d %d, want %d %d %d", c.name, in, out, unsent, c.received, c.unacked, c.unsent)
		}
	}
}

func TestInetSocketString(t *testing.T) {
	s := InetSocket{Type: 1, Protocol: 6, Src: netip.MustParseAddrPort("[::1]:80")}
	if got := s.String(); got != "TCP socket [::1]:80" {
		t.Error(got)
	}
	s.Dst, s.Type, s.Protocol = netip.MustParseAddrPort("[::2]:90"), 3, 99
	if got := s.String(); got != "raw protocol 99 socket [::1]:80 to [::2]:90" {
		t.Error(got)
	}
}
