package images

import (
	"encoding/binary"
	"fmt"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// file is the id and type of an open file; the first time its entry is made.
func (t *fileTable) file(f *fastcr.File) (uint32, pb.FdTypes, error) {
	kind, ok := fileKinds[f.Kind]
	if !ok {
		return 0, 0, fmt.Errorf("%s: kind %d has no image", f.Path.Path, f.Kind)
	}
	if id, ok := t.open[f.ID]; ok {
		return id, kind.typ, nil
	}
	id := t.next()
	t.open[f.ID] = id
	return id, kind.typ, kind.encode(t, id, f)
}

// fileKinds says how each kind of open file becomes an entry of files.img. A new
// kind is one line here and one function.
var fileKinds = map[fastcr.FileKind]struct {
	typ    pb.FdTypes
	encode func(t *fileTable, id uint32, f *fastcr.File) error
}{
	fastcr.KindRegular:       {pb.FdTypes_REG, encodeRegular},
	fastcr.KindCharDev:       {pb.FdTypes_REG, encodeRegular},
	fastcr.KindPipe:          {pb.FdTypes_PIPE, encodePipe},
	fastcr.KindFIFO:          {pb.FdTypes_FIFO, encodeFIFO},
	fastcr.KindTTY:           {pb.FdTypes_TTY, encodeTTY},
	fastcr.KindEventfd:       {pb.FdTypes_EVENTFD, encodeEventfd},
	fastcr.KindEpoll:         {pb.FdTypes_EVENTPOLL, encodeEpoll},
	fastcr.KindSignalfd:      {pb.FdTypes_SIGNALFD, encodeSignalfd},
	fastcr.KindTimerfd:       {pb.FdTypes_TIMERFD, encodeTimerfd},
	fastcr.KindInotify:       {pb.FdTypes_INOTIFY, encodeInotify},
	fastcr.KindFanotify:      {pb.FdTypes_FANOTIFY, encodeFanotify},
	fastcr.KindUnixSocket:    {pb.FdTypes_UNIXSK, encodeUnix},
	fastcr.KindInetSocket:    {pb.FdTypes_INETSK, encodeInet},
	fastcr.KindNetlinkSocket: {pb.FdTypes_NETLINKSK, encodeNetlink},
	fastcr.KindPacketSocket:  {pb.FdTypes_PACKETSK, encodePacket},
	fastcr.KindMemfd:         {pb.FdTypes_MEMFD, encodeMemfd},
	fastcr.KindNamespace:     {pb.FdTypes_NS, encodeNamespace},
	fastcr.KindPidfd:         {pb.FdTypes_PIDFD, encodePidfd},
}

func encodeRegular(t *fileTable, id uint32, f *fastcr.File) error {
	return t.addRegular(id, f.Path, f.Flags, f.Pos, f.Owner, false)
}

func encodeEventfd(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Eventfd](f)
	if err != nil {
		return err
	}
	t.add(pb.FdTypes_EVENTFD, id, &pb.FileEntry{Efd: &pb.EventfdFileEntry{
		Id: &id, Flags: &f.Flags, Fown: ownerEntry(f.Owner), Counter: &d.Counter,
	}})
	return nil
}

func encodeSignalfd(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Signalfd](f)
	if err != nil {
		return err
	}
	t.add(pb.FdTypes_SIGNALFD, id, &pb.FileEntry{Sgfd: &pb.SignalfdEntry{
		Id: &id, Flags: &f.Flags, Fown: ownerEntry(f.Owner), Sigmask: &d.Mask,
	}})
	return nil
}

// Flags of timerfd_settime(2).
const (
	timerAbstime     = 1
	timerCancelOnSet = 2
)

// encodeTimerfd writes the time that is left. criu's restore adds the clock's whole seconds
// to an absolute timer, which then comes early, and sets off one that is disarmed. So it becomes
// a relative one; if it is to notice that the clock is set it cannot, and gets that second.
func encodeTimerfd(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Timerfd](f)
	if err != nil {
		return err
	}
	flags, left := d.Flags, d.Value
	switch {
	case left == 0:
		flags = 0
	case flags&timerCancelOnSet == 0:
		flags &^= timerAbstime
	default:
		left += nsecPerSec
	}
	t.add(pb.FdTypes_TIMERFD, id, &pb.FileEntry{Tfd: &pb.TimerfdEntry{
		Id: &id, Flags: &f.Flags, Fown: ownerEntry(f.Owner), Clockid: &d.ClockID, Ticks: &d.Ticks, SettimeFlags: &flags,
		Vsec: u64(left / nsecPerSec), Vnsec: u64(left % nsecPerSec),
		Isec: u64(d.Interval / nsecPerSec), Insec: u64(d.Interval % nsecPerSec),
	}})
	return nil
}

// handleWords is how many words CRIU wants a file handle to have at least.
const handleWords = 16

// handleEntry is how a restore finds what is watched: by its path.
func handleEntry(w *fastcr.InotifyWatch) *pb.FhEntry {
	h := &pb.FhEntry{Bytes: u32(len(w.Handle)), Type: u32(w.HandleType), Handle: make([]uint64, handleWords)}
	for j := range w.Handle {
		if j/8 < handleWords {
			var word [8]byte
			copy(word[:], w.Handle[j&^7:])
			h.Handle[j/8] = binary.LittleEndian.Uint64(word[:])
		}
	}
	if w.Path != "" {
		h.Path = &w.Path
	}
	return h
}

func encodeInotify(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Inotify](f)
	if err != nil {
		return err
	}
	e := &pb.InotifyFileEntry{Id: &id, Flags: &f.Flags, Fown: ownerEntry(f.Owner)}
	for i := range d.Watches {
		w := &d.Watches[i]
		e.Wd = append(e.Wd, &pb.InotifyWdEntry{
			Id: &id, IIno: &w.Ino, Mask: &w.Mask, IgnoredMask: u32(0), SDev: &w.SDev, Wd: u32(w.WD), FHandle: handleEntry(w),
		})
	}
	t.add(pb.FdTypes_INOTIFY, id, &pb.FileEntry{Ify: e})
	return nil
}

// detail is what the loader found out about a file of its kind.
func detail[T any](f *fastcr.File) (*T, error) {
	d, ok := f.Detail.(*T)
	if !ok {
		return nil, fmt.Errorf("%s: kind %d comes with %T", f.Path.Path, f.Kind, f.Detail)
	}
	return d, nil
}
