package loader

import "github.com/fastcr/fastcr"

const stateListen = 10 // TCP_LISTEN

// decodeUnixSocket is what a unix socket has in common with others.
func decodeUnixSocket(r *fileFileSocket, b *builder) {
	f, d := detail[fastcr.UnixSocket](b, r.File)
	f.Kind = fastcr.KindUnixSocket
	*d = fastcr.UnixSocket{
		Object: fastcr.KObj(r.Object), Ino: f.Path.Ino, Type: r.Type, State: r.State, Shutdown: r.Shutdown,
		SndBuf: r.Sndbuf, RcvBuf: r.Rcvbuf, PassCred: r.Options&optPasscred != 0, PassSec: r.Options&optPasssec != 0,
		Options: socketOptions(r), QueuedPackets: r.Queued, NetNS: r.Netns,
	}
	if r.State == stateListen {
		d.Backlog = r.Backlog
	}
}

// decodeUnix is struct unix_sock.
func decodeUnix(rec []byte, b *builder) error {
	r, _, err := view[fileFileUnix](rec)
	if err != nil {
		return err
	}
	_, d := detail[fastcr.UnixSocket](b, r.File)
	d.Peer, d.PeerPeer, d.PeerIno = fastcr.KObj(r.Peer), fastcr.KObj(r.PeerPeer), r.PeerIno
	d.Addr, d.PeerAddr = fastcr.KObj(r.Addr), fastcr.KObj(r.PeerAddr)
	d.Name, d.PeerName = socketName(&r.Name, r.NameLen), socketName(&r.PeerName, r.PeerNameLen)
	d.PeerType, d.PeerQueued, d.PeerDead = r.PeerType, r.PeerQueued, r.PeerDead != 0
	d.Rights, d.OOB = r.Rights, r.Oob != 0
	if p := &r.Path; p.Ino != 0 {
		d.Bound = &fastcr.UnixPath{Ino: p.Ino, SDev: p.Dev, Mode: p.Mode, UID: p.Uid, GID: p.Gid, Nlink: p.Nlink, Deleted: p.Unlinked != 0}
	}
	return nil
}

// socketName is a struct sockaddr_un of n bytes without its family.
func socketName(addr *[112]uint8, n uint32) []byte {
	const family = 2 // bytes of sun_family
	if n <= family || int(n) > len(addr) {
		return nil
	}
	return append([]byte(nil), addr[family:n]...)
}

// decodeMessage checks only: who asks the queue wants the raw record (EachFile).
func decodeMessage(rec []byte, _ *builder) error {
	_, _, err := view[fileFileMessage](rec)
	return err
}

// seenMessage is a message that a peek does not show the whole of.
func seenMessage(rec []byte) (fastcr.HardMessage, error) {
	r, _, err := view[fileFileMessage](rec)
	if err != nil {
		return fastcr.HardMessage{}, err
	}
	return fastcr.HardMessage{At: int(r.At), Place: int(r.Place), Len: int(r.Len), Rights: r.Rights != 0, More: r.More != 0}, nil
}
