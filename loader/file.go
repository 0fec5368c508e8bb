package loader

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// enum rec_type
const (
	recFile = 96 + iota
	recFilePipe
	recFileTTY
	recFileCounter
	recFileTimer
	recFileMemfd
	recFileSocket
	recFileWatch
	recFileMark
	recFileLock
	recFileMore
	recFileTTYData
	recFileUnix
	recFileMessage
	recFilePidfd
	recFileNetlink
	recFileFanotify
	recFilePacket
	recFileMember
)

const recFileInet = 116

// enum file_what
const (
	filePlain = iota
	filePipe
	fileTTY
	fileEventfd
	fileSignalfd
	fileTimerfd
	fileEpoll
	fileInotify
	fileMemfd
	fileSocket
	filePidfd
	fileFanotify
)

// fileDecoders decode what follows a descriptor's record: what its file's kind
// has, entries of its lists, and where a list goes on.
var fileDecoders = map[uint32]func(rec []byte, b *builder) error{
	recFile: decodeFD, recFilePipe: decodePipe, recFileTTY: decodeTTY, recFileTTYData: decodeTTYData, recFileCounter: decodeCounter,
	recFileTimer: decodeTimerfd, recFileMemfd: decodeMemfd, recFileSocket: decodeSocket, recFileUnix: decodeUnix, recFileMessage: decodeMessage,
	recFilePidfd: decodePidfd,
	recFileInet:  decodeInet, recFileNetlink: decodeNetlink, recFileFanotify: decodeFanotify, recFilePacket: decodePacket, recFileMember: decodeMember,
	recFileWatch: decodeWatch, recFileMark: decodeMark, recFileLock: decodeLock, recFileMore: decodeMore,
}

// decodeFile decodes the records of file.bpf.c.
func decodeFile(rec []byte, b *builder) error {
	decode := fileDecoders[recordType(rec)]
	if decode == nil {
		return fmt.Errorf("%w: type %d", errRecord, recordType(rec))
	}
	return decode(rec, b)
}

func decodeFD(rec []byte, b *builder) error {
	r, text, err := view[fileFileRec](rec)
	if err != nil {
		return err
	}
	f, isNew := b.file(fastcr.KObj(r.File))
	if isNew {
		info := processPathInfo(r.Path)
		f.Path = decodePath(&info, text)
		f.Kind = fileKind(r, f.Path.Path)
		f.Flags, f.Mode, f.Pos = r.Flags, r.Mode, r.Pos
		f.Owner = fastcr.FileOwner{PIDType: r.OwnerType, PID: int(r.OwnerPid), UID: r.OwnerUid, EUID: r.OwnerEuid, Signum: r.OwnerSignum}
		f.Detail = emptyDetail(r.What)
	}
	b.addFD(fastcr.KObj(r.Table), fastcr.FD{Num: int(r.Fd), CloExec: r.Cloexec != 0, File: f})
	return nil
}

// emptyDetail is what a kind has whose list may be empty, and so bring no record.
func emptyDetail(what uint32) any {
	switch what {
	case fileEpoll:
		return &fastcr.Epoll{}
	case fileInotify:
		return &fastcr.Inotify{}
	}
	return nil
}

// detail is the T of the open file that a record belongs to. The file may be met
// more than once, through several descriptors.
func detail[T any](b *builder, file uint64) (*fastcr.File, *T) {
	f, _ := b.file(fastcr.KObj(file))
	d, ok := f.Detail.(*T)
	if !ok {
		d = new(T)
		f.Detail = d
	}
	return f, d
}

// Magic numbers of the kernel's own file systems (linux/magic.h).
const (
	anonInodeMagic = 0x09041934
	pipefsMagic    = 0x50495045
	nsfsMagic      = 0x6e736673
	pidfsMagic     = 0x50494446
)

const (
	modeFormat = unix.S_IFMT
	fmodePath  = 0x4000 // FMODE_PATH
)

// kindOfWhat are the kinds that the program has recognized by more than a name.
var kindOfWhat = [...]fastcr.FileKind{
	filePipe: fastcr.KindPipe, fileTTY: fastcr.KindTTY, fileEventfd: fastcr.KindEventfd, fileSignalfd: fastcr.KindSignalfd,
	fileTimerfd: fastcr.KindTimerfd, fileEpoll: fastcr.KindEpoll, fileInotify: fastcr.KindInotify, fileMemfd: fastcr.KindMemfd,
	filePidfd: fastcr.KindPidfd, fileFanotify: fastcr.KindFanotify, fileSocket: fastcr.KindSocket, // decodeSocket knows better
}

// fileKind tells what an open file is.
func fileKind(r *fileFileRec, path string) fastcr.FileKind {
	if r.What == filePipe && r.Path.Magic != pipefsMagic {
		return fastcr.KindFIFO
	}
	if r.What != filePlain && int(r.What) < len(kindOfWhat) {
		return kindOfWhat[r.What]
	}
	switch r.Path.Magic {
	case anonInodeMagic:
		return anonKind(path)
	case nsfsMagic:
		return fastcr.KindNamespace
	case pidfsMagic:
		return fastcr.KindPidfd
	}
	if r.Mode&fmodePath != 0 && strings.HasPrefix(path, "/") {
		return fastcr.KindRegular // a name, whatever it leads to
	}
	switch r.Path.Mode & modeFormat {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFBLK:
		return fastcr.KindRegular
	case unix.S_IFCHR:
		return deviceKind(r.Path.Rdev>>20, r.Path.Rdev&(1<<20-1))
	}
	return fastcr.KindUnknown
}

// Device numbers (Documentation/admin-guide/devices.txt).
const (
	majorMem = 1
	majorDRM = 226

	majorMisc   = 10
	minorUffd   = 126
	minorKVM    = 232
	minorAutofs = 235
)

// deviceKind is the kind of a character device that is no terminal.
func deviceKind(major, minor uint32) fastcr.FileKind {
	switch {
	case major == majorMem, major == majorMisc && minor == minorAutofs:
		return fastcr.KindCharDev
	case major == majorDRM:
		return fastcr.KindDRM
	case major == majorMisc && minor == minorKVM:
		return fastcr.KindKVM
	case major == majorMisc && minor == minorUffd:
		return fastcr.KindUserfaultfd
	}
	return fastcr.KindUnknown
}
