package loader

import (
	"strings"

	"github.com/fastcr/fastcr"
)

const anonPrefix = "anon_inode:"

// anonKinds are anonymous inodes by the names that the kernel gives them; those
// that the program recognizes itself are here for files that O_PATH opened.
var anonKinds = map[string]fastcr.FileKind{
	"[fanotify]": fastcr.KindFanotify, "[io_uring]": fastcr.KindIOUring, "[userfaultfd]": fastcr.KindUserfaultfd,
	"[perf_event]": fastcr.KindPerf, "[pidfd]": fastcr.KindPidfd, "btf": fastcr.KindBPF,
}

// anonKind is the kind of an anonymous inode by its path, such as anon_inode:[io_uring].
func anonKind(path string) fastcr.FileKind {
	name := strings.TrimPrefix(path, anonPrefix)
	if k, ok := anonKinds[name]; ok {
		return k
	}
	switch {
	case strings.HasPrefix(name, "bpf"), strings.HasPrefix(name, "[bpf"):
		return fastcr.KindBPF
	case strings.HasPrefix(name, "kvm"), strings.HasPrefix(name, "[kvm"):
		return fastcr.KindKVM
	}
	return fastcr.KindAnonOther
}

const efdSemaphore = 1 // EFD_SEMAPHORE

// decodeCounter is an eventfd (struct eventfd_ctx) or a signalfd (struct signalfd_ctx).
func decodeCounter(rec []byte, b *builder) error {
	r, _, err := view[fileFileCounter](rec)
	if err != nil {
		return err
	}
	if f, _ := b.file(fastcr.KObj(r.File)); f.Kind == fastcr.KindSignalfd {
		f.Detail = &fastcr.Signalfd{Mask: r.Value}
		return nil
	}
	_, d := detail[fastcr.Eventfd](b, r.File)
	*d = fastcr.Eventfd{Counter: r.Value, Semaphore: r.Flags&efdSemaphore != 0}
	return nil
}

// decodeTimerfd is struct timerfd_ctx.
func decodeTimerfd(rec []byte, b *builder) error {
	r, _, err := view[fileFileTimer](rec)
	if err != nil {
		return err
	}
	_, d := detail[fastcr.Timerfd](b, r.File)
	*d = fastcr.Timerfd{ClockID: r.Clock, Flags: r.Flags, Ticks: r.Ticks, Interval: uint64(max(r.Interval, 0))}
	switch {
	case r.Armed != 0 && r.Left > 0:
		d.Value = uint64(r.Left)
		return nil
	case r.Armed != 0: // due, and its interrupt comes just now
		d.Ticks++
	case r.Expired == 0:
		return nil
	}
	// A periodic timer that has expired stands still. The next read or gettime
	// counts the periods that went by, and starts it anew: so it is done here.
	if r.Interval > 0 {
		late := uint64(max(-r.Left, 0)) // not late: the clock was set back
		d.Ticks += late / d.Interval
		d.Value = d.Interval - late%d.Interval
	}
	return nil
}
