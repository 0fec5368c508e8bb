package images

import (
	"fmt"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// writeTCPStreams writes what each TCP connection is at and what waits in it (tcp-stream-INODE.img).
func (e *Encoder) writeTCPStreams(d *Dir) error {
	early := e.sentEarly()
	for _, f := range e.tree.Files {
		s, ok := f.Detail.(*fastcr.InetSocket)
		if !ok || s.Conn == nil {
			continue
		}
		q := e.opts.TCP[s.Object]
		if len(q.Received) != s.Conn.Received() || len(q.Unacked) != s.Conn.Unacked() {
			return fmt.Errorf("%s: %d and %d bytes of its queues were read instead of %d and %d",
				s, len(q.Received), len(q.Unacked), s.Conn.Received(), s.Conn.Unacked())
		}
		w := newImage(magicTCPStream)
		if err := w.message(tcpStream(s.Conn, early[fastcr.Connection{Local: s.Dst, Remote: s.Src}])); err != nil {
			return err
		}
		w.raw(q.Received)
		w.raw(q.Unacked)
		if err := d.put(fmt.Sprintf("tcp-stream-%x.img", s.Ino), w); err != nil {
			return err
		}
	}
	return nil
}

// sentEarly are the tree's connections if nothing holds their packets until the restore. Then the restore
// sends, of those between the tree's own sockets, what was never sent before the other end is there,
// which answers with a RST.
func (e *Encoder) sentEarly() map[fastcr.Connection]bool {
	early := map[fastcr.Connection]bool{}
	if e.opts.NetworkLock == networkLockSkip {
		for _, c := range e.tree.Connections() {
			early[c] = true
		}
	}
	return early
}

// networkLockSkip is NETWORK_LOCK_SKIP of criu's inventory (criu/include/cr_options.h).
const networkLockSkip = 2

// Bits of tcp_stream_entry.opt_mask (TCPI_OPT_* of uapi/linux/tcp.h).
const (
	tcpTimestamps = 1
	tcpWscale     = 4
)

// tcpStream writes what a connection is at. What was not sent may pass for sent and lost: TCP sends it
// again, after its timeout.
func tcpStream(c *fastcr.TCPState, allSent bool) *pb.TcpStreamEntry {
	unsent := c.Unsent()
	if allSent {
		unsent = 0
	}
	e := &pb.TcpStreamEntry{
		InqLen: u32(c.Received()), InqSeq: &c.RcvNxt, OutqLen: u32(c.Unacked()), OutqSeq: &c.WriteSeq, UnsqLen: u32(unsent),
		OptMask: &c.Options, SndWscale: u32(0), MssClamp: &c.MSSClamp,
		SndWl1: &c.SndWl1, SndWnd: &c.SndWnd, MaxWindow: &c.MaxWindow, RcvWnd: &c.RcvWnd, RcvWup: &c.RcvWup,
	}
	if c.Options&tcpWscale != 0 {
		e.SndWscale, e.RcvWscale = &c.SndWscale, &c.RcvWscale
	}
	if c.Options&tcpTimestamps != 0 {
		e.Timestamp = &c.Timestamp
	}
	return e
}
