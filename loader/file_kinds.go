package loader

import (
	"strconv"
	"strings"

	"github.com/fastcr/fastcr"
)

const anonPrefix = "anon_inode:"

// anonKinds are the anonymous inodes by the names that the kernel gives them.
var anonKinds = map[string]fastcr.FileKind{
	"[eventfd]": fastcr.KindEventfd, "[eventpoll]": fastcr.KindEpoll, "[signalfd]": fastcr.KindSignalfd,
	"[timerfd]": fastcr.KindTimerfd, "inotify": fastcr.KindInotify, "[fanotify]": fastcr.KindFanotify,
	"[io_uring]": fastcr.KindIOUring, "[userfaultfd]": fastcr.KindUserfaultfd, "[perf_event]": fastcr.KindPerf,
	"[pidfd]": fastcr.KindPidfd,
}

func anonKind(path string) fastcr.FileKind {
	name := strings.TrimPrefix(path, anonPrefix)
	if k, ok := anonKinds[name]; ok {
		return k
	}
	switch {
	case strings.HasPrefix(name, "bpf"), strings.HasPrefix(name, "[bpf"), strings.HasPrefix(name, "btf"):
		return fastcr.KindBPF
	case strings.HasPrefix(name, "kvm"), strings.HasPrefix(name, "[kvm"):
		return fastcr.KindKVM
	}
	return fastcr.KindAnonOther
}

func isMemfd(p *fastcr.PathRef) bool { return strings.HasPrefix(p.Path, "/memfd:") && p.Nlink == 0 }

func decodePipe(rec []byte, b *builder) error {
	r, _, err := view[fileFilePipe](rec)
	if err != nil {
		return err
	}
	f, _ := b.file(fastcr.KObj(r.File))
	f.Detail = &fastcr.Pipe{ID: f.Path.Ino, Object: fastcr.KObj(r.Object), Readers: r.Readers, Writers: r.Writers, RingSize: r.Ring}
	return nil
}

func decodeTTY(rec []byte, b *builder) error {
	r, _, err := view[fileFileTty](rec)
	if err != nil {
		return err
	}
	f, _ := b.file(fastcr.KObj(r.File))
	f.Detail = &fastcr.TTY{
		Object: fastcr.KObj(r.Object), Link: fastcr.KObj(r.Link), DriverType: r.Type, Subtype: r.Subtype, Index: r.Index,
		Major: r.Major, MinorStart: r.MinorStart, Termios: decodeTermios(r.Termios[:]), TermiosLocked: decodeTermios(r.TermiosLocked[:]),
		Winsize: fastcr.Winsize{Row: r.Winsize[0], Col: r.Winsize[1], XPixel: r.Winsize[2], YPixel: r.Winsize[3]},
		PGRP:    int(r.Pgrp), Session: int(r.Session), Exclusive: r.Exclusive != 0, Packet: r.Packet != 0, PtyLocked: r.Locked != 0,
		OtherClosed: r.OtherClosed != 0, Hung: r.Hung != 0, Count: r.Count,
	}
	return nil
}

// decodeTermios is struct ktermios of x86: four words, the line discipline, 19
// control characters, two speeds.
func decodeTermios(b []byte) fastcr.Termios {
	word := func(off int) uint32 {
		return uint32(b[off]) | uint32(b[off+1])<<8 | uint32(b[off+2])<<16 | uint32(b[off+3])<<24
	}
	t := fastcr.Termios{Iflag: word(0), Oflag: word(4), Cflag: word(8), Lflag: word(12), Line: b[16], Ispeed: word(36), Ospeed: word(40)}
	copy(t.CC[:], b[17:36])
	return t
}

const efdSemaphore = 1 // EFD_SEMAPHORE

func decodeCounter(rec []byte, b *builder) error {
	r, _, err := view[fileFileCounter](rec)
	if err != nil {
		return err
	}
	f, _ := b.file(fastcr.KObj(r.File))
	if recordType(rec) == recFileSignalfd {
		f.Detail = &fastcr.Signalfd{Mask: r.Value}
		return nil
	}
	f.Detail = &fastcr.Eventfd{Counter: r.Value, Semaphore: r.Flags&efdSemaphore != 0}
	if r.Flags&efdSemaphore != 0 {
		f.Flags |= efdSemaphore // CRIU hands the image's flags to eventfd(2)
	}
	return nil
}

func decodeTimerfd(rec []byte, b *builder) error {
	r, _, err := view[fileFileTimer](rec)
	if err != nil {
		return err
	}
	f, _ := b.file(fastcr.KObj(r.File))
	f.Detail = &fastcr.Timerfd{
		ClockID: r.Clock, Flags: r.Flags, Ticks: r.Ticks, Interval: uint64(max(r.Interval, 0)), Value: uint64(max(r.Value, 0)),
	}
	return nil
}

func decodeWatch(rec []byte, b *builder) error {
	r, _, err := view[fileFileWatch](rec)
	if err != nil {
		return err
	}
	f, _ := b.file(fastcr.KObj(r.File))
	e, ok := f.Detail.(*fastcr.Epoll)
	if !ok {
		e = &fastcr.Epoll{}
		f.Detail = e
	}
	w := fastcr.EpollWatch{
		FD: int(r.Fd), File: fastcr.KObj(r.Target), Events: r.Events, Data: r.Data, Dev: statDev(r.Dev), Ino: r.Ino, Pos: r.Pos,
	}
	for _, have := range e.Watches { // the same instance may be met at several descriptors
		if have.FD == w.FD && have.File == w.File {
			return nil
		}
	}
	e.Watches = append(e.Watches, w)
	return nil
}

// Bits of struct sock and struct socket.
const (
	sockUrginline  = 2
	sockKeepopen   = 3
	sockLinger     = 4
	sockBroadcast  = 6
	sockLocalroute = 13
)

func decodeSocket(rec []byte, b *builder) error {
	r, _, err := view[fileFileSocket](rec)
	if err != nil {
		return err
	}
	f, _ := b.file(fastcr.KObj(r.File))
	const afUnix = 1
	if r.Family != afUnix {
		f.Kind = fastcr.KindSocket
		f.Path.Path += " (family " + strconv.Itoa(int(r.Family)) + ", type " + strconv.Itoa(int(r.Type)) + ")"
		return nil
	}
	f.Kind = fastcr.KindUnixSocket
	bit := func(n int) bool { return r.SkFlags>>n&1 != 0 }
	u := &fastcr.UnixSocket{
		Object: fastcr.KObj(r.Object), Peer: fastcr.KObj(r.Peer), Ino: f.Path.Ino, PeerIno: r.PeerIno, Type: r.Type, State: r.State,
		Shutdown: r.Shutdown, Backlog: r.Backlog, SndBuf: r.Sndbuf, RcvBuf: r.Rcvbuf, QueuedPackets: r.Queued, NetNS: r.Netns,
		Options: fastcr.SocketOptions{
			Reuseaddr: r.Reuse != 0, Reuseport: r.Reuseport != 0, Dontroute: bit(sockLocalroute), Broadcast: bit(sockBroadcast),
			Oobinline: bit(sockUrginline), Keepalive: bit(sockKeepopen), LingerOn: bit(sockLinger),
			Priority: r.Priority, Mark: r.Mark, RcvLowat: r.Rcvlowat, BufLock: r.Userlocks & 3,
		},
	}
	if n := int(r.NameLen); n > 2 && n <= len(r.Name) {
		u.Name = append([]byte(nil), r.Name[2:n]...)
	}
	f.Detail = u
	return nil
}
