package images

import (
	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// socketOptions are the options of any socket whose buffers take so many bytes.
func socketOptions(o *fastcr.SocketOptions, sndBuf, rcvBuf uint32, asked *fastcr.AskedOptions) *pb.SkOptsEntry {
	e := &pb.SkOptsEntry{
		SoSndbuf: &sndBuf, SoRcvbuf: &rcvBuf,
		SoSndTmoSec: u64(o.SndTimeo / usecPerSec), SoSndTmoUsec: u64(o.SndTimeo % usecPerSec),
		SoRcvTmoSec: u64(o.RcvTimeo / usecPerSec), SoRcvTmoUsec: u64(o.RcvTimeo % usecPerSec),
		Reuseaddr: &o.Reuseaddr, SoReuseport: &o.Reuseport, SoPriority: &o.Priority, SoRcvlowat: &o.RcvLowat, SoMark: &o.Mark,
		SoDontroute: &o.Dontroute, SoBroadcast: &o.Broadcast, SoKeepalive: &o.Keepalive,
		SoBufLock: &o.BufLock, SoNoCheck: &o.NoCheck,
	}
	if o.Oobinline {
		e.SoOobinline = u32(1)
	}
	if o.LingerOn {
		e.SoLinger = &o.Linger
	}
	if asked != nil {
		e.SoFilter = asked.Filter
	}
	if asked != nil && asked.Device != "" {
		e.SoBoundDev = &asked.Device
	}
	return e
}

// optionsUnfit names an option of a socket that the images do not hold, "" if there is none.
func optionsUnfit(o *fastcr.SocketOptions) string {
	for _, lost := range []struct {
		has  bool
		what string
	}{
		{o.Passpidfd, "SO_PASSPIDFD"}, {o.PeekOff, "SO_PEEK_OFF"}, {o.Timestamping, "SO_TIMESTAMPING"}, {o.RxqOvfl, "SO_RXQ_OVFL"},
		{o.LockFilter, "SO_LOCK_FILTER"}, {o.NoFCS, "SO_NOFCS"}, {o.WifiStatus, "SO_WIFI_STATUS"}, {o.TxTime, "SO_TXTIME"},
		{o.RcvMark, "SO_RCVMARK"}, {o.RcvPriority, "SO_RCVPRIORITY"}, {o.Filter != 0 && o.FilterLen == 0, "an eBPF filter (SO_ATTACH_BPF)"},
	} {
		if lost.has {
			return lost.what
		}
	}
	return ""
}
