package images

import (
	"encoding/binary"
	"fmt"

	"github.com/checkpoint-restore/go-criu/v8/crit/images/eventfd"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/eventpoll"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/fdinfo"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/fh"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/fsnotify"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/signalfd"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/timerfd"

	"github.com/fastcr/fastcr"
)

// file is the id and type of an open file; the first time its entry is made.
func (t *fileTable) file(f *fastcr.File) (uint32, fdinfo.FdTypes, error) {
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
	typ    fdinfo.FdTypes
	encode func(t *fileTable, id uint32, f *fastcr.File) error
}{
	fastcr.KindRegular:    {fdinfo.FdTypes_REG, encodeRegular},
	fastcr.KindCharDev:    {fdinfo.FdTypes_REG, encodeRegular},
	fastcr.KindPipe:       {fdinfo.FdTypes_PIPE, encodePipe},
	fastcr.KindFIFO:       {fdinfo.FdTypes_FIFO, encodeFIFO},
	fastcr.KindTTY:        {fdinfo.FdTypes_TTY, encodeTTY},
	fastcr.KindEventfd:    {fdinfo.FdTypes_EVENTFD, encodeEventfd},
	fastcr.KindEpoll:      {fdinfo.FdTypes_EVENTPOLL, encodeEpoll},
	fastcr.KindSignalfd:   {fdinfo.FdTypes_SIGNALFD, encodeSignalfd},
	fastcr.KindTimerfd:    {fdinfo.FdTypes_TIMERFD, encodeTimerfd},
	fastcr.KindInotify:    {fdinfo.FdTypes_INOTIFY, encodeInotify},
	fastcr.KindUnixSocket: {fdinfo.FdTypes_UNIXSK, encodeUnix},
}

func encodeRegular(t *fileTable, id uint32, f *fastcr.File) error {
	return t.addRegular(id, f.Path, f.Flags, f.Pos, f.Owner, false)
}

func encodeEventfd(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Eventfd](f)
	if err != nil {
		return err
	}
	t.add(fdinfo.FdTypes_EVENTFD, id, &fdinfo.FileEntry{Efd: &eventfd.EventfdFileEntry{
		Id: &id, Flags: &f.Flags, Fown: ownerEntry(f.Owner), Counter: &d.Counter,
	}})
	return nil
}

func encodeEpoll(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Epoll](f)
	if err != nil {
		return err
	}
	e := &eventpoll.EventpollFileEntry{Id: &id, Flags: &f.Flags, Fown: ownerEntry(f.Owner)}
	for i := range d.Watches {
		w := &d.Watches[i]
		e.Tfd = append(e.Tfd, &eventpoll.EventpollTfdEntry{
			Id: &id, Tfd: u32(w.FD), Events: &w.Events, Data: &w.Data, Dev: u32(w.Dev), Inode: &w.Ino, Pos: &w.Pos,
		})
	}
	t.add(fdinfo.FdTypes_EVENTPOLL, id, &fdinfo.FileEntry{Epfd: e})
	return nil
}

func encodeSignalfd(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Signalfd](f)
	if err != nil {
		return err
	}
	t.add(fdinfo.FdTypes_SIGNALFD, id, &fdinfo.FileEntry{Sgfd: &signalfd.SignalfdEntry{
		Id: &id, Flags: &f.Flags, Fown: ownerEntry(f.Owner), Sigmask: &d.Mask,
	}})
	return nil
}

func encodeTimerfd(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Timerfd](f)
	if err != nil {
		return err
	}
	t.add(fdinfo.FdTypes_TIMERFD, id, &fdinfo.FileEntry{Tfd: &timerfd.TimerfdEntry{
		Id: &id, Flags: &f.Flags, Fown: ownerEntry(f.Owner), Clockid: &d.ClockID, Ticks: &d.Ticks, SettimeFlags: &d.Flags,
		Vsec: u64(d.Value / nsecPerSec), Vnsec: u64(d.Value % nsecPerSec),
		Isec: u64(d.Interval / nsecPerSec), Insec: u64(d.Interval % nsecPerSec),
	}})
	return nil
}

// handleWords is how many words CRIU wants a file handle to have at least.
const handleWords = 16

func encodeInotify(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Inotify](f)
	if err != nil {
		return err
	}
	e := &fsnotify.InotifyFileEntry{Id: &id, Flags: &f.Flags, Fown: ownerEntry(f.Owner)}
	for i := range d.Watches {
		w := &d.Watches[i]
		h := &fh.FhEntry{Bytes: u32(len(w.Handle)), Type: u32(w.HandleType), Handle: make([]uint64, handleWords)}
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
		e.Wd = append(e.Wd, &fsnotify.InotifyWdEntry{
			Id: &id, IIno: &w.Ino, Mask: &w.Mask, IgnoredMask: u32(0), SDev: &w.SDev, Wd: u32(w.WD), FHandle: h,
		})
	}
	t.add(fdinfo.FdTypes_INOTIFY, id, &fdinfo.FileEntry{Ify: e})
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
