package images

import (
	"bytes"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// CRIU's numbers for terminals that are no pty.
const (
	consoleIndex = 1002
	vtIndex      = 1004
	cttyIndex    = 1006
	serialIndex  = 1010

	externalIndex = 1012 // the first is one more
)

// Device numbers of terminals (Documentation/admin-guide/devices.txt).
const (
	majorVT         = 4
	majorTTYAux     = 5
	majorPtm        = 128
	majorPts        = 136
	majorUSBSerial  = 188
	majorLowDensity = 204
)

// ttyTable holds the terminals in the order in which they are met.
type ttyTable struct {
	infos     []*pb.TtyInfoEntry
	externals uint32
	data      []*pb.TtyDataEntry
}

func (t *ttyTable) has(id uint32) bool {
	for _, i := range t.infos {
		if *i.Id == id {
			return true
		}
	}
	return false
}

// ttyPTY is a pseudo terminal, of either side.
const ttyPTY = pb.TtyType_PTY

// ttyType is CRIU's type, index and side of a terminal, by the device that was opened.
// Others are not restored.
func ttyType(rdev uint64, d *fastcr.TTY) (typ pb.TtyType, index uint32, master, ok bool) {
	switch major, minor := unix.Major(rdev), unix.Minor(rdev); {
	case major == majorPts:
		return ttyPTY, d.Index, false, true
	case major == majorTTYAux && minor == 2, major >= majorPtm && major < majorPts:
		return ttyPTY, d.Index, true, true
	case major == majorTTYAux && minor == 0:
		return pb.TtyType_CTTY, cttyIndex, false, true
	case major == majorTTYAux && minor == 1:
		return pb.TtyType_CONSOLE, consoleIndex, false, true
	case major == majorVT && minor >= 1 && minor < 64:
		return pb.TtyType_VT, vtIndex, false, true
	case major == majorUSBSerial, major == majorLowDensity:
		return pb.TtyType_SERIAL, serialIndex, false, true
	}
	return 0, 0, false, false
}

// encodeTTY writes the terminal's file, a regular file that keeps its path, and
// the terminal itself once.
func encodeTTY(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.TTY](f)
	if err != nil {
		return err
	}
	typ, index, master, ok := ttyType(f.Path.RDev, d)
	if !ok && f.Path.External == "" {
		return fmt.Errorf("%s: terminals of device %d:%d are not restored", f.Path.Path, unix.Major(f.Path.RDev), unix.Minor(f.Path.RDev))
	}
	if f.Path.External != "" {
		t.ttys.externals++
		typ, index, master = pb.TtyType_EXT_TTY, externalIndex+t.ttys.externals, false
	}
	infoID := index << 1
	if master {
		infoID++
	}
	file := &pb.TtyFileEntry{Id: &id, TtyInfoId: &infoID, Flags: &f.Flags, Fown: ownerEntry(f.Owner)}
	if f.Path.External == "" {
		file.RegfId = u32(t.next())
		if err := t.addRegular(*file.RegfId, f.Path, f.Flags, f.Pos, f.Owner, false); err != nil {
			return err
		}
	}
	t.add(pb.FdTypes_TTY, id, &pb.FileEntry{Tty: file})
	if t.ttys.has(infoID) {
		return nil
	}
	info := &pb.TtyInfoEntry{
		Id: &infoID, Type: typ.Enum(), Locked: &d.PtyLocked, Exclusive: &d.Exclusive, PacketMode: &d.Packet,
		Sid: u32(d.Session), Pgrp: u32(t.foreground(d)), Rdev: u32(f.Path.RDev), Dev: u32(f.Path.Dev), Uid: &f.Path.UID, Gid: &f.Path.GID,
	}
	if typ == pb.TtyType_PTY {
		info.Pty = &pb.TtyPtyEntry{Index: &d.Index}
	}
	if !d.Hung {
		info.Termios, info.TermiosLocked = termios(&d.Termios), termios(&d.TermiosLocked)
		info.Winsize = &pb.WinsizeEntry{
			WsRow: u32(d.Winsize.Row), WsCol: u32(d.Winsize.Col), WsXpixel: u32(d.Winsize.XPixel), WsYpixel: u32(d.Winsize.YPixel),
		}
	}
	t.ttys.infos = append(t.ttys.infos, info)
	if len(d.Queued) > 0 {
		t.ttys.data = append(t.ttys.data, &pb.TtyDataEntry{TtyId: &infoID, Data: ttyData(d, master)})
	}
	return nil
}

// foreground is a terminal's group in the foreground. One that has ended, which its shell has yet
// to find out, could not be put there again: the shell itself takes its place.
func (t *fileTable) foreground(d *fastcr.TTY) int {
	if t.groups[d.Session] == d.Session && t.groups[d.PGRP] != d.Session {
		return d.Session
	}
	return d.PGRP
}

// ttyData is what the restore has to write into a pty's other side for the bytes that wait on this
// one. It has set the modes by then: with ONLCR a newline becomes CR and newline, as it did when it
// was written first, and only the character that is typed for it makes an end of file.
func ttyData(d *fastcr.TTY, master bool) []byte {
	const both = unix.OPOST | unix.ONLCR
	switch {
	case master && d.Termios.Oflag&both == both:
		return bytes.ReplaceAll(d.Queued, []byte("\r\n"), []byte("\n"))
	case !master && d.Termios.Lflag&unix.ICANON != 0 && len(d.EOFs) > 0:
		data := bytes.Clone(d.Queued)
		for _, at := range d.EOFs {
			data[at] = d.Termios.CC[unix.VEOF]
		}
		return data
	}
	return d.Queued
}

func termios(k *fastcr.Termios) *pb.TermiosEntry {
	e := &pb.TermiosEntry{
		CIflag: &k.Iflag, COflag: &k.Oflag, CCflag: &k.Cflag, CLflag: &k.Lflag, CLine: u32(k.Line),
		CIspeed: &k.Ispeed, COspeed: &k.Ospeed, CCc: make([]uint32, len(k.CC)),
	}
	for i, c := range k.CC { // CRIU copies the characters over the words' memory
		e.CCc[i/4] |= uint32(c) << (8 * (i % 4))
	}
	return e
}

// writeTTYInfo writes the terminals, masters first: the restore pairs a pty's first two files,
// whatever sides they are of, and writes what waits on each into the other.
func (e *Encoder) writeTTYInfo(d *Dir) error {
	if len(e.files.ttys.infos) == 0 {
		return nil
	}
	w := newImage(magicTTYInfo)
	infos := slices.Clone(e.files.ttys.infos)
	slices.SortStableFunc(infos, func(a, b *pb.TtyInfoEntry) int { return int(*b.Id&1) - int(*a.Id&1) })
	for _, info := range infos {
		if err := w.message(info); err != nil {
			return err
		}
	}
	return d.put("tty-info.img", w)
}

// writeTTYData writes what waits to be read from either side of a pty. The restore
// writes it into the other side: without that it is left out.
func (e *Encoder) writeTTYData(d *Dir) error {
	w := newImage(magicTTYData)
	empty := len(w.buf)
	for _, q := range e.files.ttys.data {
		if !e.files.ttys.has(*q.TtyId ^ 1) {
			continue
		}
		if err := w.message(q); err != nil {
			return err
		}
	}
	if len(w.buf) == empty {
		return nil
	}
	return d.put("tty-data.img", w)
}
