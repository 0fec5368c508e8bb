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
	optNoCheck
	optTimestamp
	optRxqOvfl
	optLockFilter
	optNoRights
	optNoFCS
	optWifiStatus
	optTxTime
	optRcvMark
	optRcvPriority
	optTimestamping
)

const bufLocks = 3 // SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK

// decodeSocket is struct sock; its family's own record follows.
func decodeSocket(rec []byte, b *builder) error {
	r, _, err := view[fileFileSocket](rec)
	if err != nil {
		return err
	}
	switch r.Family {
	case unix.AF_UNIX:
		decodeUnixSocket(r, b)
		return nil
	case unix.AF_INET, unix.AF_INET6:
		decodeInetSocket(r, b)
		return nil
	case unix.AF_NETLINK:
		decodeNetlinkSocket(r, b)
		return nil
	case unix.AF_PACKET:
		decodePacketSocket(r, b)
		return nil
	}
	f, d := detail[fastcr.Socket](b, r.File)
	*d = fastcr.Socket{
		Object: fastcr.KObj(r.Object), Ino: f.Path.Ino, Family: r.Family, Type: r.Type, Protocol: r.Protocol,
		State: r.State, NetNS: r.Netns, QueuedPackets: r.Queued,
	}
	return nil
}

func socketOptions(r *fileFileSocket) fastcr.SocketOptions {
	is := func(option uint32) bool { return r.Options&option != 0 }
	return fastcr.SocketOptions{
		Reuseaddr: is(optReuseaddr), Reuseport: is(optReuseport), Dontroute: is(optDontroute), Broadcast: is(optBroadcast),
		Oobinline: is(optOobinline), Keepalive: is(optKeepalive), LingerOn: is(optLinger),
		Passcred: is(optPasscred), Passsec: is(optPasssec), Passpidfd: is(optPasspidfd), PeekOff: is(optPeekOff),
		Linger: uint32(r.Linger / tickRate()), Priority: r.Priority, Mark: r.Mark, RcvLowat: r.Rcvlowat, BufLock: r.Userlocks & bufLocks,
		SndTimeo: tickMicroseconds(r.Sndtimeo), RcvTimeo: tickMicroseconds(r.Rcvtimeo),
		NoCheck: is(optNoCheck), Timestamp: is(optTimestamp), RxqOvfl: is(optRxqOvfl), LockFilter: is(optLockFilter), NoRights: is(optNoRights),
		NoFCS: is(optNoFCS), WifiStatus: is(optWifiStatus), TxTime: is(optTxTime), RcvMark: is(optRcvMark), RcvPriority: is(optRcvPriority), Timestamping: is(optTimestamping),
		BoundDev: r.BoundDev, Filter: fastcr.KObj(r.Filter), FilterLen: r.FilterLen,
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
