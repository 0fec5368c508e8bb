package loader

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

func (o *opened) option(opt int) uint32 {
	v, err := unix.GetsockoptInt(o.dup, unix.SOL_SOCKET, opt)
	if err != nil {
		o.t.Errorf("%s: getsockopt %d: %v", o.name, opt, err)
	}
	return uint32(v)
}

func (o *opened) timeout(opt int) uint64 {
	tv, err := unix.GetsockoptTimeval(o.dup, unix.SOL_SOCKET, opt)
	if err != nil {
		o.t.Errorf("%s: getsockopt %d: %v", o.name, opt, err)
		return 0
	}
	return uint64(tv.Nano() / 1000)
}

func checkUnix(o *opened) {
	d := as[fastcr.UnixSocket](o)
	o.equal("inode", d.Ino, o.file.Path.Ino)
	o.equal("type", d.Type, o.option(unix.SO_TYPE))
	o.equal("send buffer", d.SndBuf, o.option(unix.SO_SNDBUF))
	o.equal("receive buffer", d.RcvBuf, o.option(unix.SO_RCVBUF))
	o.equal("passcred", d.PassCred, o.option(unix.SO_PASSCRED) != 0)
	o.equal("passsec", d.PassSec, o.option(unix.SO_PASSSEC) != 0)
	o.equal("listens", d.State == stateListen, o.option(unix.SO_ACCEPTCONN) != 0)
	linger, err := unix.GetsockoptLinger(o.dup, unix.SOL_SOCKET, unix.SO_LINGER)
	if err != nil {
		o.t.Fatal(err)
	}
	want := fastcr.SocketOptions{
		Reuseaddr: o.option(unix.SO_REUSEADDR) != 0, Reuseport: o.option(unix.SO_REUSEPORT) != 0,
		Dontroute: o.option(unix.SO_DONTROUTE) != 0, Broadcast: o.option(unix.SO_BROADCAST) != 0,
		Oobinline: o.option(unix.SO_OOBINLINE) != 0, Keepalive: o.option(unix.SO_KEEPALIVE) != 0,
		Passcred: d.PassCred, Passsec: d.PassSec, Passpidfd: false,
		LingerOn: linger.Onoff != 0, Linger: uint32(linger.Linger), Priority: o.option(unix.SO_PRIORITY), Mark: o.option(unix.SO_MARK),
		RcvLowat: o.option(unix.SO_RCVLOWAT), BufLock: o.option(unix.SO_BUF_LOCK),
		SndTimeo: o.timeout(unix.SO_SNDTIMEO), RcvTimeo: o.timeout(unix.SO_RCVTIMEO),
	}
	o.equal("options", fmt.Sprintf("%+v", d.Options), fmt.Sprintf("%+v", want))
	var own unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/net", o.pid), &own); err != nil {
		o.t.Fatal(err)
	}
	o.equal("network namespace", uint64(d.NetNS), own.Ino)
	name, err := unix.Getsockname(o.dup)
	if err != nil {
		o.t.Fatal(err)
	}
	bound := name.(*unix.SockaddrUnix).Name
	switch {
	case bound == "" || bound == "@":
		o.equal("name", string(d.Name), "")
	case bound[0] == '@':
		o.equal("name", string(d.Name), "\x00"+bound[1:])
	default:
		o.equal("name", string(d.Name), bound+"\x00")
	}
}

// checkPair compares the two ends of a connection with each other.
func checkPair(a, b *opened) {
	da, db := as[fastcr.UnixSocket](a), as[fastcr.UnixSocket](b)
	b.t = a.t
	checkUnix(b)
	a.equal("peer", da.Peer, db.Object)
	b.equal("peer", db.Peer, da.Object)
	a.equal("peer's inode", da.PeerIno, db.Ino)
	b.equal("peer's inode", db.PeerIno, da.Ino)
	a.equal("shutdown", [2]uint32{da.Shutdown, db.Shutdown}, [2]uint32{1, 2})
	a.equal("queued", [2]uint32{da.QueuedPackets, db.QueuedPackets}, [2]uint32{0, 1})
	a.equal("receive timeout", da.Options.RcvTimeo, uint64(3500000))
}

func checkListener(o *opened, all map[int]*opened) {
	d, peer := as[fastcr.UnixSocket](o), as[fastcr.UnixSocket](all[o.fd.Num+1])
	o.equal("backlog", d.Backlog, uint32(17))
	o.equal("queued connections", d.QueuedPackets, uint32(1))
	if peer.Peer == 0 || peer.PeerIno != 0 {
		o.t.Errorf("a connection that was not accepted: peer %#x, inode %d", peer.Peer, peer.PeerIno)
	}
}
