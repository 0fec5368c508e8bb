package dump

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images"
	"github.com/fastcr/fastcr/objects"
)

// Socket states (TCP_* of the kernel's tcp_states.h).
const (
	stateEstablished = 1
	stateListen      = 10
)

const shutdownBoth = 3 // RCV_SHUTDOWN | SEND_SHUTDOWN

// checkUnix looks at whom a unix socket is connected to, and how a restore would do that again.
func (r *refusal) checkUnix(p *fastcr.Process, fd *fastcr.FD, u *fastcr.UnixSocket) {
	add := func(reason, advice string) { r.add(p.PID, fd.Num, unixName(u), reason, advice) }
	if u.NetNS != r.self.Net {
		add("was made in another network namespace", "run fastcr in the same one")
	}
	switch {
	case u.State == stateListen:
		if own := r.unix.Waiting(u); u.QueuedPackets > own && !r.opts.ExtUnixSk {
			add(fmt.Sprintf("has %d connections to be accepted from clients that are closed or outside of the tree", u.QueuedPackets-own),
				"let the program accept them, or give --ext-unix-sk: they are not restored then")
		}
	case u.Peer == 0, u.PeerDead:
		if u.Type != unix.SOCK_DGRAM && u.State == stateEstablished && u.Shutdown != shutdownBoth {
			add("is connected to nobody", "close it")
		}
	case r.unix.Waits(u):
		r.checkWaiting(u, add)
	case r.unix.Peer(u) == nil:
		r.checkOutsidePeer(u, add)
	case u.PeerPeer == u.Object:
	case len(u.PeerName) == 0:
		add(fmt.Sprintf("is connected to socket %d, which has no name and is not connected to it", u.PeerIno), "")
	case u.PeerPeer != 0 && !r.unix.Peer(u).PeerDead:
		add(fmt.Sprintf("is connected to %s, which has connected to another since: nobody can connect to it again", unixName(r.unix.Peer(u))), "")
	}
}

// unixName is what a message calls a unix socket.
func unixName(u *fastcr.UnixSocket) string {
	if len(u.Name) > 0 {
		return fmt.Sprintf("unix socket %d (%s)", u.Ino, fastcr.SocketName(u.Name))
	}
	return fmt.Sprintf("unix socket %d", u.Ino)
}

// checkWaiting is about a connection that nobody has accepted yet.
func (r *refusal) checkWaiting(u *fastcr.UnixSocket, add func(reason, advice string)) {
	switch {
	case r.unix.Listener(u) == nil && r.unseen:
	case r.unix.Listener(u) == nil:
		add(fmt.Sprintf("waits to be accepted by %s, which is outside of the tree", fastcr.SocketName(u.PeerName)), "")
	case u.PeerQueued > 0:
		add("has sent before it was accepted, which the images do not hold", "let the listener accept it, then dump again")
	}
}

// hasRights tells whether open files wait in a unix socket.
func hasRights(f *fastcr.File) bool {
	u, ok := f.Detail.(*fastcr.UnixSocket)
	return ok && u.Rights > 0
}

// checkOutsidePeer allows what --external and --ext-unix-sk do. The peer may be in a message.
func (r *refusal) checkOutsidePeer(u *fastcr.UnixSocket, add func(reason, advice string)) {
	if slices.Contains(r.externals(), fmt.Sprintf("unix[%d]", u.Ino)) || r.unseen {
		return
	}
	who := fmt.Sprintf("its peer (inode %d) is outside of the tree", u.PeerIno)
	name := fastcr.SocketName(u.PeerName)
	switch {
	case u.Type != unix.SOCK_DGRAM:
		add(who, fmt.Sprintf("--external unix[%d] leaves it out, to be handed to the restore with --inherit-fd fd[N]:socket:[%d]", u.Ino, u.Ino))
	case name == "":
		add(who+", and has no name by which to find it again", fmt.Sprintf("--external unix[%d] leaves it out", u.Ino))
	case !r.opts.ExtUnixSk:
		add(who+", "+name, "give --ext-unix-sk to dump and restore: it is connected to again")
	case name[0] != '@' && name[0] != '/':
		add(who+", and its name "+name+" is relative", "")
	case name[0] == '/' && !objects.IsSocket(name):
		add(who+", and its name "+name+" does not lead to a socket any more", "")
	}
}

// externals are the resources of --external without what they are called.
func (r *refusal) externals() (ids []string) {
	for _, e := range r.opts.External {
		ids = append(ids, externalSyntax.FindStringSubmatch(e)[1])
	}
	return ids
}

// checkQueues is about what was found to wait in the frozen tree's sockets.
func (r *run) checkQueues() error {
	f := &refusal{opts: &r.opts, self: r.own, tree: r.tree, unix: images.NewUnixLinks(r.tree)}
	for _, p := range r.tree.Processes {
		for _, fd := range p.OpenFiles() {
			if u, ok := fd.File.Detail.(*fastcr.UnixSocket); ok && r.contents.queues[u.Ino] != nil {
				f.checkSenders(p, &fd, u, r.contents.queues[u.Ino])
				f.checkBothWays(p, &fd, u, r.contents.queues)
			}
		}
	}
	return errors.Join(f.found...)
}

// checkSenders wants datagrams that wait to have the sender that a restore gives them: the
// images do not hold it, so it is the socket that refills the queue.
func (r *refusal) checkSenders(p *fastcr.Process, fd *fastcr.FD, u *fastcr.UnixSocket, q *fastcr.SocketQueue) {
	if u.Type != unix.SOCK_DGRAM {
		return
	}
	senders := r.unix.Senders(u)
	for _, packet := range q.Packets {
		known := len(senders) == 0 && packet.From == ""
		for _, s := range senders {
			known = known || fastcr.SocketName(s.Name) == packet.From
		}
		if !known || packet.From != q.Packets[0].From {
			r.add(p.PID, fd.Num, unixName(u), fmt.Sprintf("a message from %q waits in it, whose sender would be another after a restore", packet.From),
				"let the program receive it, then dump again")
			return
		}
	}
}

// checkBothWays is about a pair between processes with open files waiting at both ends: criu
// makes the files of each queue in the other end's process, and sends all from one.
func (r *refusal) checkBothWays(p *fastcr.Process, fd *fastcr.FD, u *fastcr.UnixSocket, queues map[uint64]*fastcr.SocketQueue) {
	to := r.unix.Peer(u)
	if to == nil || to == u || to.Peer != u.Object || !queues[u.Ino].HasRights() || !queues[to.Ino].HasRights() {
		return
	}
	if a, b := r.restorer(u), r.restorer(to); a == 0 || a != b {
		r.add(p.PID, fd.Num, unixName(u), "has open files in its messages, as its peer in another process has, which no restore can do",
			"let the program receive them, then dump again")
	}
}

// restorer is the process that criu restores a socket in; 0: that depends on who has it in a message.
func (r *refusal) restorer(u *fastcr.UnixSocket) (pid int) {
	for _, p := range r.tree.Processes {
		for i := range p.Files {
			if d, ok := p.Files[i].File.Detail.(*fastcr.UnixSocket); ok && d.Object == u.Object && (pid == 0 || p.PID < pid) {
				pid = p.PID
			}
		}
	}
	return pid
}
