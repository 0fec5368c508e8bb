package images

import (
	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

func encodeUnix(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.UnixSocket](f)
	if err != nil {
		return err
	}
	e := &pb.UnixSkEntry{
		Id: &id, Ino: u32(d.Ino), Type: &d.Type, State: &d.State, Flags: &f.Flags, Uflags: u32(0), Backlog: &d.Backlog,
		Peer: u32(d.PeerIno), Fown: ownerEntry(f.Owner), Opts: socketOptions(d), Name: d.Name, NsId: u32(nsNet),
	}
	if e.Name == nil {
		e.Name = []byte{}
	}
	if d.Shutdown != 0 {
		e.Shutdown = pb.SkShutdown(d.Shutdown).Enum()
	}
	t.add(pb.FdTypes_UNIXSK, id, &pb.FileEntry{Usk: e})
	return nil
}

func socketOptions(u *fastcr.UnixSocket) *pb.SkOptsEntry {
	o := &u.Options
	e := &pb.SkOptsEntry{
		SoSndbuf: &u.SndBuf, SoRcvbuf: &u.RcvBuf,
		SoSndTmoSec: u64(o.SndTimeo / usecPerSec), SoSndTmoUsec: u64(o.SndTimeo % usecPerSec),
		SoRcvTmoSec: u64(o.RcvTimeo / usecPerSec), SoRcvTmoUsec: u64(o.RcvTimeo % usecPerSec),
		Reuseaddr: &o.Reuseaddr, SoReuseport: &o.Reuseport, SoPriority: &o.Priority, SoRcvlowat: &o.RcvLowat, SoMark: &o.Mark,
		SoPasscred: &u.PassCred, SoPasssec: &u.PassSec, SoDontroute: &o.Dontroute, SoBroadcast: &o.Broadcast, SoKeepalive: &o.Keepalive,
		SoBufLock: &o.BufLock,
	}
	if o.Oobinline {
		e.SoOobinline = u32(1)
	}
	if o.LingerOn {
		e.SoLinger = &o.Linger
	}
	return e
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
			if err := w.message(&pb.SkPacketEntry{IdFor: u32(e.files.open[f.ID]), Length: u32(len(p))}); err != nil {
				return err
			}
			w.raw(p)
		}
	}
	if len(w.buf) == empty {
		return nil
	}
	return d.put("sk-queues.img", w)
}
