package loader

import "github.com/fastcr/fastcr"

// What a system call that a signal (or the freezer, which wakes sleepers like
// one) interrupted leaves in ax: include/linux/errno.h.
const (
	eINTR                 = -4
	eNOSYS                = -38
	eRESTARTSYS           = -512
	eRESTARTNOINTR        = -513
	eRESTARTNOHAND        = -514
	eRESTART_RESTARTBLOCK = -516
)

// System calls by number (x86-64) that the kernel never restarts by itself
// after a stop or a freeze, and that can be made again as they were.
var neverRestarted = map[uint64]string{
	0: "read", 1: "write", 19: "readv", 20: "writev", // with SO_RCVTIMEO, SO_SNDTIMEO
	42: "connect", 43: "accept", 44: "sendto", 45: "recvfrom", 46: "sendmsg", 47: "recvmsg",
	288: "accept4", 299: "recvmmsg", 307: "sendmmsg",
	65: "semop", 220: "semtimedop",
	128: "rt_sigtimedwait",
	208: "io_getevents", 333: "io_pgetevents",
	232: "epoll_wait", 281: "epoll_pwait", 441: "epoll_pwait2",
	426: "io_uring_enter",
}

const (
	sysPoll           = 7
	sysNanosleep      = 35
	sysFutex          = 202
	sysClockNanosleep = 230
	sysRestartSyscall = 219

	futexWaitBitset = 9
	futexCmdMask    = 127

	saRestart = 0x10000000
	sigDFL    = 0
	sigIGN    = 1

	cs32 = 0x23 // selector of 32-bit user code
)

// interrupted is what else decides how a call goes on.
type interrupted struct {
	pending, shared uint64 // signals of the thread and of its process that are not blocked
	actions         *[64]fastcr.Sigaction
	block           restartBlock
	traced          bool
}

// restartBlock is struct restart_block's union: its first two words.
type restartBlock [2]uint64

// restart makes t's registers those of a thread that makes an interrupted call
// again, as the kernel would have after the thaw. There is no restart_block in
// an image, so what needs one is made again where its arguments say what is
// left (a sleep whose remainder overwrites its request, a futex with an
// absolute timeout), or starts its timeout anew (poll); the others return EINTR.
func restart(t *fastcr.Thread, in *interrupted) {
	r := &t.Regs
	ax := int64(r.AX)
	if t.Mode32 {
		ax = int64(int32(ax))
	}
	nr := r.OrigAX
	if int64(nr) < 0 || ax >= 0 {
		return
	}
	again := false
	switch ax {
	case eRESTARTNOINTR:
		again = true
	case eRESTARTSYS:
		flags, handled := in.handler()
		again = !handled || flags&saRestart != 0
	case eRESTARTNOHAND:
		_, handled := in.handler()
		again = !handled
	case eRESTART_RESTARTBLOCK:
		_, handled := in.handler()
		nr = in.block.call(r)
		again = !handled && !t.Mode32 && in.block.repeatable(nr, r)
	case eINTR:
		name := endedByFreeze(r, in.pending|in.shared)
		if name == "" {
			return
		}
		again = true
		t.Restarted, t.SyscallWait = true, name
	case eNOSYS: // a tracer holds it before the call is made
		again = in.traced
		if !again {
			return
		}
	default:
		return
	}
	if again {
		r.IP -= 2
		r.AX = nr
		return
	}
	r.AX = ^uint64(-eINTR - 1)
}

// endedByFreeze names the call that returned EINTR for no signal: only the
// freeze can have interrupted it. pending are the signals that are not blocked.
func endedByFreeze(r *fastcr.Regs, pending uint64) string {
	if r.CS == cs32 || int64(r.AX) != eINTR || pending != 0 {
		return ""
	}
	return neverRestarted[r.OrigAX]
}

// call is the number of the call that waits by restart_block. After an earlier
// freeze it is restart_syscall, with the arguments of the first one still in
// its registers: the block tells which that was.
func (b *restartBlock) call(r *fastcr.Regs) uint64 {
	if r.OrigAX != sysRestartSyscall {
		return r.OrigAX
	}
	clock, kind := uint32(b[0]), uint32(b[0]>>32)
	switch {
	case clock <= 11 && kind <= 1 && (kind == 0 || b[1] == r.R10) && r.DI == uint64(clock):
		return sysClockNanosleep
	case clock <= 11 && kind <= 1 && (kind == 0 || b[1] == r.SI) && r.DI > 11:
		return sysNanosleep
	case b[0] == r.DI && uint32(b[1]) == uint32(r.SI) && b[1]>>32 == 1: // nfds, has_timeout
		return sysPoll
	case b[0] == r.DI && uint32(b[1]) == uint32(r.DX) && b[1]>>32 != 1: // val, flags: never just 1
		return sysFutex
	}
	return sysRestartSyscall
}

// repeatable says whether a call can be made again with the arguments that are
// in its registers.
func (b *restartBlock) repeatable(nr uint64, r *fastcr.Regs) bool {
	switch nr {
	case sysPoll:
		return true
	case sysNanosleep:
		return sleepGoesOn(r.DI, r.SI)
	case sysClockNanosleep:
		return sleepGoesOn(r.DX, r.R10)
	case sysFutex:
		return r.SI&futexCmdMask == futexWaitBitset
	}
	return false
}

// sleepGoesOn says whether a sleep made again lasts as long as it should: the
// kernel has stored what is left at rem, which is the request itself; or nobody
// asked, and to sleep longer is the lesser evil than to return early.
func sleepGoesOn(req, rem uint64) bool { return rem == 0 || rem == req }

// handler is the flags of the handler that the first deliverable signal will
// run: the thread's before the process's, those of a fault before others.
func (in *interrupted) handler() (flags uint64, handled bool) {
	const fault = 1<<3 | 1<<4 | 1<<6 | 1<<7 | 1<<10 | 1<<30 // ILL TRAP BUS FPE SEGV SYS
	for _, set := range [...]uint64{in.pending & fault, in.pending &^ fault, in.shared & fault, in.shared &^ fault} {
		for i := range in.actions {
			if a := &in.actions[i]; set&(1<<i) != 0 && a.Handler != sigDFL && a.Handler != sigIGN {
				return a.Flags, true
			}
		}
	}
	return 0, false
}

// rseqCS is a thread's place in its restartable sequence: struct rseq_cs of
// uapi/linux/rseq.h and the flags of struct rseq.
type rseqCS struct {
	ptr, start, length, abort uint64
	version, flags            uint32
}

// rseqNoSignal is RSEQ_CS_FLAG_NO_RESTART_ON_SIGNAL.
const rseqNoSignal = 1 << 1

// fixRseq takes a thread out of the critical section in which it was frozen: it
// goes on at the abort handler, as after a signal. Where the flags forbid that,
// the section stays entered and the pointer goes into the image.
func fixRseq(t *fastcr.Thread, cs *rseqCS) {
	t.Rseq.CS = 0
	if cs.ptr == 0 {
		return
	}
	if cs.flags&rseqNoSignal != 0 {
		t.Rseq.CS = cs.ptr
		return
	}
	if cs.version == 0 && t.Regs.IP-cs.start < cs.length {
		t.Regs.IP = cs.abort
	}
}
