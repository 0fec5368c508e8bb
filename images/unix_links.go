package images

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// Socket states (TCP_* of the kernel's tcp_states.h).
const (
	stateEstablished = 1
	stateListen      = 10
)

// UnixLinks says who is connected to whom among the unix sockets of a tree.
type UnixLinks struct {
	sockets   map[fastcr.KObj]*fastcr.UnixSocket // by Object
	listeners map[fastcr.KObj]*fastcr.UnixSocket // by Addr
	external  map[uint64]bool                    // peers outside that are written, by inode
}

// NewUnixLinks looks through the files of a tree.
func NewUnixLinks(t *fastcr.Tree) *UnixLinks {
	l := &UnixLinks{sockets: map[fastcr.KObj]*fastcr.UnixSocket{}, listeners: map[fastcr.KObj]*fastcr.UnixSocket{}, external: map[uint64]bool{}}
	for _, f := range t.Files {
		u, ok := f.Detail.(*fastcr.UnixSocket)
		if !ok {
			continue
		}
		l.sockets[u.Object] = u
		if u.State == stateListen && u.Addr != 0 {
			l.listeners[u.Addr] = u
		}
	}
	return l
}

// Peer is the socket of the tree that u is connected to, nil if there is none.
func (l *UnixLinks) Peer(u *fastcr.UnixSocket) *fastcr.UnixSocket { return l.sockets[u.Peer] }

// Waits tells whether u is connected and nobody has accepted it yet.
func (l *UnixLinks) Waits(u *fastcr.UnixSocket) bool {
	return u.Type != unix.SOCK_DGRAM && u.State == stateEstablished && u.Peer != 0 && u.PeerIno == 0 && !u.PeerDead && l.Peer(u) == nil
}

// Listener is the socket of the tree that is to accept u, nil if there is none.
func (l *UnixLinks) Listener(u *fastcr.UnixSocket) *fastcr.UnixSocket {
	if !l.Waits(u) {
		return nil
	}
	return l.listeners[u.PeerAddr]
}

// Waiting is how many connections of the tree's own wait for listener to accept them.
func (l *UnixLinks) Waiting(listener *fastcr.UnixSocket) (n uint32) {
	for _, u := range l.sockets {
		if l.Listener(u) == listener {
			n++
		}
	}
	return n
}

// Senders are the sockets of the tree that are connected to u.
func (l *UnixLinks) Senders(u *fastcr.UnixSocket) (all []*fastcr.UnixSocket) {
	for _, s := range l.sockets {
		if s.Peer == u.Object {
			all = append(all, s)
		}
	}
	return all
}

// outside tells whether u has a peer that lives and is not in the tree.
func (l *UnixLinks) outside(u *fastcr.UnixSocket) bool {
	return u.PeerIno != 0 && !u.PeerDead && l.Peer(u) == nil
}

// peer is the inode number of whom a restore is to connect u to; 0: nobody.
func (l *UnixLinks) peer(u *fastcr.UnixSocket) uint64 {
	switch {
	case l.Waits(u):
		if to := l.Listener(u); to != nil {
			return to.Ino
		}
		return 0
	case u.PeerDead:
		return 0
	}
	return u.PeerIno
}

// connects tells whether a restore connects u by its peer's name: it has to know the peer then.
func (l *UnixLinks) connects(u *fastcr.UnixSocket) bool {
	if l.Waits(u) {
		return true
	}
	to := l.Peer(u)
	return to != nil && to.Peer != u.Object
}

// orderUnix puts sockets that are connected by name behind all others: criu knows a peer only
// if it came before. The first that is connected to a socket refills its queue, so one
// whose name is the sender's goes before others. Of a pair the second refills both queues, in its
// process; open files that wait in a queue are made in the process of the other end.
func (t *fileTable) orderUnix(tree *fastcr.Tree, queues map[uint64]*fastcr.SocketQueue) {
	const sendsFiles, sendsFirst, connects = 1, 2, 3
	rank := map[uint32]int{}
	for _, f := range tree.Files {
		u, ok := f.Detail.(*fastcr.UnixSocket)
		if !ok {
			continue
		}
		id, to := t.open[f.ID], t.unix.Peer(u)
		switch {
		case to != nil && to.Peer == u.Object && queues[to.Ino].HasRights():
			rank[id] = sendsFiles
		case to != nil && t.unix.connects(u) && queues[to.Ino] != nil && queues[to.Ino].Packets[0].From == fastcr.SocketName(u.Name):
			rank[id] = sendsFirst
		case t.unix.connects(u):
			rank[id] = connects
		}
	}
	slices.SortStableFunc(t.entries, func(a, b *pb.FileEntry) int { return rank[a.GetId()] - rank[b.GetId()] })
}
