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
	Flags   uint32               // as F_GETFL gives them
	Kind    fastcr.FileKind      // KindPipe, KindFIFO, KindUnixSocket or KindSocket
	Stream  bool                 // of a unix socket: SOCK_STREAM
	Queued  int                  // of a unix socket: messages that wait
	Hard    []fastcr.HardMessage // of them; valid during the call
	Filter  int                  // of a socket: instructions of its classic filter
	Bound   bool                 // of a socket: to an interface
}

// EachFile calls f with every pipe and FIFO that holds bytes, with every unix socket whose receive
// queue is not empty, and with every socket that has to be asked for options, without decoding or allocating.
func (s *Session) EachFile(f func(SeenFile) error) error {
	return eachSeen(func(g func(rec []byte) error) error { return s.each("file", g) }, f)
}

// eachSeen goes through raw records of the file source.
func eachSeen(each func(func(rec []byte) error) error, f func(SeenFile) error) error {
	var last SeenFile
	var hard []fastcr.HardMessage
	return each(func(rec []byte) error {
		switch recordType(rec) {
		case recFile:
			r, _, err := view[fileFileRec](rec)
			if err != nil {
				return err
			}
			last = SeenFile{PID: int(r.Tgid), FD: int(r.Fd), File: fastcr.KObj(r.File), Ino: r.Path.Ino, Flags: r.Flags}
			last.Kind = fastcr.KindFIFO
			if r.Path.Magic == pipefsMagic {
				last.Kind = fastcr.KindPipe
			}
		case recFilePipe:
			r, _, err := view[fileFilePipe](rec)
			if err != nil || r.Bytes == 0 {
				return err
			}
			return f(last)
		case recFileMessage:
			m, err := seenMessage(rec)
			hard = append(hard, m)
			return err
		case recFileSocket:
			r, _, err := view[fileFileSocket](rec)
			if err != nil {
				return err
			}
			last.Hard, hard = hard, hard[:0]
			last.Kind, last.Stream, last.Queued = fastcr.KindSocket, r.Type == unix.SOCK_STREAM, 0
			if r.Family == unix.AF_UNIX {
				last.Kind, last.Queued = fastcr.KindUnixSocket, int(r.Queued)
			}
			last.Filter, last.Bound = int(r.FilterLen), r.BoundDev != 0
			if last.Queued > 0 || last.Filter > 0 || last.Bound {
				return f(last)
			}
		}
		return nil
	})
}

// pfExiting is PF_EXITING of task_struct.flags.
const pfExiting = 4

// TerminalsMove tells whether bytes were about to come into a pty's queue at the last Collect,
// without decoding or allocating. A freeze does not stop them: a moment later they are in it.
func (s *Session) TerminalsMove() (moving bool, err error) {
	err = s.each("file", func(rec []byte) error {
		if recordType(rec) != recFileTTYData {
			return nil
		}
		r, _, err := view[fileFileTtyData](rec)
		if err == nil {
			moving = moving || r.More == ttyMoves
		}
		return err
	})
	return moving, err
}

// EachProcess calls f with every process that the last Collect met and its address
// space, without decoding or allocating. exiting says that it is on its way
// out, without memory but not dead yet: a freeze does not stop that.
func (s *Session) EachProcess(f func(pid int, mm fastcr.KObj, exiting bool)) error {
	return s.each("process", func(rec []byte) error {
		if recordType(rec) != recProcess {
			return nil
		}
		r, _, err := view[processProcessRec](rec)
		if err != nil {
			return err
		}
		f(int(r.Pid), fastcr.KObj(r.Mm), r.ExitState == 0 && (r.Mm == 0 || r.Flags&pfExiting != 0))
		return nil
	})
}
