package loader

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// enum rec_type
const (
	recFile = 96 + iota
	recFilePipe
	recFileTTY
	recFileEventfd
	recFileSignalfd
	recFileTimer
	recFileWatch
	recFileSocket
)

// decodeFile decodes the records of file.bpf.c: one a descriptor, followed by
// what the file's kind has.
func decodeFile(rec []byte, b *builder) error {
	switch recordType(rec) {
	case recFile:
		return decodeFD(rec, b)
	case recFilePipe:
		return decodePipe(rec, b)
	case recFileTTY:
		return decodeTTY(rec, b)
	case recFileEventfd, recFileSignalfd:
		return decodeCounter(rec, b)
	case recFileTimer:
		return decodeTimerfd(rec, b)
	case recFileWatch:
		return decodeWatch(rec, b)
	case recFileSocket:
		return decodeSocket(rec, b)
	}
	return fmt.Errorf("%w: type %d", errRecord, recordType(rec))
}

func decodeFD(rec []byte, b *builder) error {
	r, text, err := view[fileFileRec](rec)
	if err != nil {
		return err
	}
	f, isNew := b.file(fastcr.KObj(r.File))
	if isNew {
		info := processPathInfo(r.Path)
		f.Flags, f.Mode, f.Pos = r.Flags, r.Mode, r.Pos
		f.Path = decodePath(&info, text)
		f.Owner = fastcr.FileOwner{PIDType: r.OwnerType, PID: int(r.OwnerPid), UID: r.OwnerUid, EUID: r.OwnerEuid, Signum: r.OwnerSignum}
		f.Kind = fileKind(&f.Path)
	}
	b.addFD(fastcr.KObj(r.Table), fastcr.FD{Num: int(r.Fd), CloExec: r.Cloexec != 0, File: f})
	return nil
}

// Magic numbers of the kernel's own file systems (linux/magic.h).
const (
	anonInodeMagic = 0x09041934
	pipefsMagic    = 0x50495045
	nsfsMagic      = 0x6e736673
	pidfdMagic     = 0x50494446
)

// Major numbers of character devices.
const (
	majorMisc  = 10
	majorDRM   = 226
	minorKVM   = 232
	majorMem   = 1
	minorFull  = 7
	majorPtmx  = 5
	minorUffd  = 126
	modeFormat = unix.S_IFMT
)

// fileKind tells what an open file is from where it lives.
func fileKind(p *fastcr.PathRef) fastcr.FileKind {
	switch p.FSMagic {
	case anonInodeMagic:
		return anonKind(p.Path)
	case nsfsMagic:
		return fastcr.KindNamespace
	case pidfdMagic:
		return fastcr.KindPidfd
	}
	switch p.Mode & modeFormat {
	case unix.S_IFREG:
		if isMemfd(p) {
			return fastcr.KindMemfd
		}
		return fastcr.KindRegular
	case unix.S_IFDIR, unix.S_IFBLK:
		return fastcr.KindRegular
	case unix.S_IFIFO:
		if p.FSMagic == pipefsMagic {
			return fastcr.KindPipe
		}
		return fastcr.KindFIFO
	case unix.S_IFSOCK:
		return fastcr.KindSocket // decodeSocket knows better
	case unix.S_IFCHR:
		return deviceKind(unix.Major(p.RDev), unix.Minor(p.RDev))
	}
	return fastcr.KindUnknown
}

func deviceKind(major, minor uint32) fastcr.FileKind {
	switch {
	case major == majorDRM:
		return fastcr.KindDRM
	case major == majorMisc && minor == minorKVM:
		return fastcr.KindKVM
	case major == majorMisc && minor == minorUffd:
		return fastcr.KindUserfaultfd
	case isTTYMajor(major):
		return fastcr.KindTTY
	case major == majorMem:
		return fastcr.KindCharDev
	}
	return fastcr.KindUnknown
}

func isTTYMajor(major uint32) bool {
	return major == 4 || major == majorPtmx || major >= 136 && major <= 143 || major == 204 || major == 229
}
