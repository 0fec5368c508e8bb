package loader

import (
	"math"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// enum socket_option
const (
	optReuseaddr = 1 << iota
	optReuseport
	optDontroute
	optBroadcast
	optOobinline
	optKeepalive
	optLinger
	optPasscred
	optPasssec
	optPasspidfd
	optPeekOff
)

const bufLocks = 3 // SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK

// decodeSocket is struct sock, and struct unix_sock.
func decodeSocket(rec []byte, b *builder) error {
	r, _, err := view[fileFileSocket](rec)
	if err != nil {
		return err
	}
	if r.Family != unix.AF_UNIX {
		f, d := detail[fastcr.Socket](b, r.File)
		*d = fastcr.Socket{
			Object: fastcr.KObj(r.Object), Ino: f.Path.Ino, Family: r.Family, Type: r.Type, Protocol: r.Protocol,
			State: r.State, NetNS: r.Netns, QueuedPackets: r.Queued,
		}
		return nil
	}
	f, d := detail[fastcr.UnixSocket](b, r.File)
	f.Kind = fastcr.KindUnixSocket
	*d = fastcr.UnixSocket{
		Object: fastcr.KObj(r.Object), Peer: fastcr.KObj(r.Peer), Ino: f.Path.Ino, PeerIno: r.PeerIno,
		Type: r.Type, State: r.State, Shutdown: r.Shutdown, SndBuf: r.Sndbuf, RcvBuf: r.Rcvbuf,
		PassCred: r.Options&optPasscred != 0, PassSec: r.Options&optPasssec != 0,
		Options: socketOptions(r), QueuedPackets: r.Queued, NetNS: r.Netns,
	}
	if r.State == stateListen {
		d.Backlog = r.Backlog
	}
	const family = 2 // bytes of sun_family
	if n := int(r.NameLen); n > family && n <= len(r.Name) {
		d.Name = append([]byte(nil), r.Name[family:n]...)
	}
	return nil
}

const stateListen = 10 // TCP_LISTEN

func socketOptions(r *fileFileSocket) fastcr.SocketOptions {
	is := func(option uint32) bool { return r.Options&option != 0 }
	return fastcr.SocketOptions{
		Reuseaddr: is(optReuseaddr), Reuseport: is(optReuseport), Dontroute: is(optDontroute), Broadcast: is(optBroadcast),
		Oobinline: is(optOobinline), Keepalive: is(optKeepalive), LingerOn: is(optLinger),
		Passcred: is(optPasscred), Passsec: is(optPasssec), Passpidfd: is(optPasspidfd), PeekOff: is(optPeekOff),
		Linger: uint32(r.Linger / tickRate()), Priority: r.Priority, Mark: r.Mark, RcvLowat: r.Rcvlowat, BufLock: r.Userlocks & bufLocks,
		SndTimeo: tickMicroseconds(r.Sndtimeo), RcvTimeo: tickMicroseconds(r.Rcvtimeo),
	}
}

// tickRate is the kernel's HZ: its coarse clocks have a resolution of one tick.
var tickRate = sync.OnceValue(func() uint64 {
	var res unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &res); err != nil || res.Nano() <= 0 {
		return 250
	}
	tick := uint64(res.Nano())
	return (1e9 + tick/2) / tick
})

// tickMicroseconds is a timeout in jiffies as SO_RCVTIMEO gives it: in
// microseconds, 0 for none (MAX_SCHEDULE_TIMEOUT).
func tickMicroseconds(jiffies uint64) uint64 {
	if jiffies >= math.MaxInt64 {
		return 0
	}
	hz := tickRate()
	return jiffies/hz*1e6 + jiffies%hz*1e6/hz
}
