package images

import (
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

func encodeUnix(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.UnixSocket](f)
	if err != nil {
		return err
	}
	peer := t.unix.peer(d)
	e := &pb.UnixSkEntry{
		Id: &id, Ino: u32(d.Ino), Type: &d.Type, State: &d.State, Flags: &f.Flags, Uflags: u32(0), Backlog: &d.Backlog,
		Peer: u32(peer), Fown: ownerEntry(f.Owner), Opts: unixOptions(d, t.opts.Sockets[d.Ino]), Name: []byte{}, NsId: u32(nsNet),
	}
	if Rebinds(d) {
		nameUnix(e, d)
	}
	if d.Shutdown != 0 {
		e.Shutdown = pb.SkShutdown(d.Shutdown).Enum()
	}
	if t.unix.outside(d) && !t.unix.external[peer] {
		t.unix.external[peer] = true
		t.addExternal(d)
	}
	t.add(pb.FdTypes_UNIXSK, id, &pb.FileEntry{Usk: e})
	return nil
}

// Rebinds tells whether a restore gives a socket its name again. It does not for a
// connection's end; worse, it would remove the path of whoever has that name.
func Rebinds(d *fastcr.UnixSocket) bool {
	return len(d.Name) > 0 && (d.Type == unix.SOCK_DGRAM || d.State != stateEstablished)
}

func nameUnix(e *pb.UnixSkEntry, d *fastcr.UnixSocket) {
	e.Name = d.Name
	b := d.Bound
	if !d.HasPath() || b == nil {
		return
	}
	e.FilePerms = &pb.FilePermsEntry{Mode: &b.Mode, Uid: &b.UID, Gid: &b.GID}
	if b.Deleted {
		e.Deleted = boolean(true)
	}
	if b.Dir != "" {
		e.NameDir = &b.Dir
	}
}

// uskExtern is USK_EXTERN of criu's sk-unix.c.
const uskExtern = 1

// addExternal writes what criu wants to know of a peer outside of the tree.
func (t *fileTable) addExternal(d *fastcr.UnixSocket) {
	id, state, typ := t.next(), uint32(stateListen), uint32(unix.SOCK_DGRAM)
	t.add(pb.FdTypes_UNIXSK, id, &pb.FileEntry{Usk: &pb.UnixSkEntry{
		Id: &id, Ino: u32(d.PeerIno), Type: &typ, State: &state, Flags: u32(0), Uflags: u32(uskExtern), Backlog: u32(0), Peer: u32(0),
		Fown: ownerEntry(fastcr.FileOwner{}), Name: append([]byte{}, d.PeerName...),
		Opts: &pb.SkOptsEntry{SoSndbuf: u32(0), SoRcvbuf: u32(0), SoSndTmoSec: u64(0), SoSndTmoUsec: u64(0), SoRcvTmoSec: u64(0), SoRcvTmoUsec: u64(0)},
	}})
}

func unixOptions(u *fastcr.UnixSocket, asked *fastcr.AskedOptions) *pb.SkOptsEntry {
	e := socketOptions(&u.Options, u.SndBuf, u.RcvBuf, asked)
	e.SoPasscred, e.SoPasssec = &u.PassCred, &u.PassSec
	return e
}

// ids are the numbers of open files that have been met.
func (t *fileTable) ids(files []fastcr.KObj) (ids []uint32) {
	for _, f := range files {
		ids = append(ids, t.open[f])
	}
	return ids
}

// writeQueues writes what waits in the sockets' receive queues (sk-queues.img).
func (e *Encoder) writeQueues(d *Dir) error {
	w := newImage(magicSkQueues)
	empty := len(w.buf)
	for _, f := range e.tree.Files {
		u, ok := f.Detail.(*fastcr.UnixSocket)
		if !ok || e.opts.Queues[u.Ino] == nil {
			continue
		}
		for _, p := range e.opts.Queues[u.Ino].Packets {
			m := &pb.SkPacketEntry{IdFor: u32(e.files.open[f.ID]), Length: u32(len(p.Data))}
			if len(p.Rights) > 0 {
				m.Scm = []*pb.ScmEntry{{Type: u32(unix.SCM_RIGHTS), Rights: e.files.ids(p.Rights)}}
			}
			if err := w.message(m); err != nil {
				return err
			}
			w.raw(p.Data)
		}
	}
	if len(w.buf) == empty {
		return nil
	}
	return d.put("sk-queues.img", w)
}
