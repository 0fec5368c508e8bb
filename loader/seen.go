package loader

import (
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// SeenFile is what a cheap look at the raw records tells of an open file whose
// content has to be asked for in the freeze.
type SeenFile struct {
	PID, FD int
	File    fastcr.KObj
	Ino     uint64
	Flags   uint32          // as F_GETFL gives them
	Kind    fastcr.FileKind // KindPipe, KindFIFO or KindUnixSocket
	Stream  bool            // of a unix socket: SOCK_STREAM
}

// EachFile calls f with every pipe and FIFO, and with every unix socket whose
// receive queue is not empty, without decoding or allocating.
func (s *Session) EachFile(f func(SeenFile) error) error {
	var last SeenFile
	return s.each("file", func(rec []byte) error {
		switch recordType(rec) {
		case recFile:
			r, _, err := view[fileFileRec](rec)
			if err != nil {
				return err
			}
			last = SeenFile{PID: int(r.Tgid), FD: int(r.Fd), File: fastcr.KObj(r.File), Ino: r.Path.Ino, Flags: r.Flags}
			if r.Path.Mode&modeFormat != unix.S_IFIFO {
				return nil
			}
			last.Kind = fastcr.KindFIFO
			if r.Path.Magic == pipefsMagic {
				last.Kind = fastcr.KindPipe
			}
			return f(last)
		case recFileSocket:
			r, _, err := view[fileFileSocket](rec)
			if err != nil || r.Family != unix.AF_UNIX || r.Queued == 0 {
				return err
			}
			last.Kind, last.Stream = fastcr.KindUnixSocket, r.Type == unix.SOCK_STREAM
			return f(last)
		}
		return nil
	})
}
