package freeze

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// syscallLen is the length in bytes of the x86-64 syscall instruction.
const syscallLen = 2

// MendInterrupted makes threads of a frozen tree repeat the system call that
// the freeze made return EINTR. It is the one place that uses ptrace: SEIZE and
// DETACH leave no trace, and a frozen thread does not run in between. It
// returns how many threads were mended; one that somebody else traces, or that
// is gone, is left as it is.
//
// The cgroup shows "frozen 0" for a moment after each; wait for it before the
// state is relied upon, and mend last.
func MendInterrupted(tids []int) (mended int, err error) {
	if len(tids) == 0 {
		return 0, nil
	}
	runtime.LockOSThread() // ptrace belongs to a thread
	defer runtime.UnlockOSThread()
	for _, tid := range tids {
		ok, e := mend(tid)
		if ok {
			mended++
		}
		err = errors.Join(err, e)
	}
	return mended, err
}

func mend(tid int) (mended bool, err error) {
	if err := unix.PtraceSeize(tid); err != nil {
		if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EPERM) {
			return false, nil
		}
		return false, fmt.Errorf("ptrace seize of thread %d: %w", tid, err)
	}
	defer func() {
		if e := unix.PtraceDetach(tid); e != nil && !errors.Is(e, unix.ESRCH) && err == nil {
			err = fmt.Errorf("ptrace detach from thread %d: %w", tid, e)
		}
	}()
	if err := unix.PtraceInterrupt(tid); err != nil {
		return false, fmt.Errorf("ptrace interrupt of thread %d: %w", tid, err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(tid, &status, unix.WALL, nil); err != nil {
		return false, fmt.Errorf("wait for thread %d to stop: %w", tid, err)
	}
	if !status.Stopped() {
		return false, nil
	}
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return false, fmt.Errorf("registers of thread %d: %w", tid, err)
	}
	if int64(regs.Rax) != -int64(unix.EINTR) || int64(regs.Orig_rax) < 0 {
		return false, nil
	}
	regs.Rip -= syscallLen
	regs.Rax = regs.Orig_rax
	regs.Orig_rax = ^uint64(0)
	if err := unix.PtraceSetRegs(tid, &regs); err != nil {
		return false, fmt.Errorf("restart the call of thread %d: %w", tid, err)
	}
	return true, nil
}
