package freeze

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// syscallLen is the length in bytes of the x86-64 syscall instruction.
const syscallLen = 2

// restartRestartblock is ERESTART_RESTARTBLOCK of the kernel's linux/errno.h.
const restartRestartblock = 516

// This file is the one place that uses ptrace: SEIZE and DETACH leave no trace,
// and a frozen thread does not run in between. The cgroup shows "frozen 0" for a
// moment after each thread; wait for it before the state is relied upon. A
// thread that somebody else traces, or that is gone, is left as it is.

// MendInterrupted makes threads of a frozen tree repeat the system call that
// the freeze made return EINTR. It returns how many threads were mended. Mend last.
func MendInterrupted(tids []int) (mended int, err error) {
	return mendAll(len(tids), func(i int) (bool, error) { return mend(tids[i], repeatInterrupted) })
}

// Sleep is a thread that the kernel will have call restart_syscall, and the
// result (a negative error number of the kernel) that keeps it from that.
type Sleep struct {
	TID    int
	Result int64
}

// MendSleeps gives sleeping threads of a frozen tree another result of their
// interrupted call. It returns how many were mended.
func MendSleeps(sleeps []Sleep) (mended int, err error) {
	return mendAll(len(sleeps), func(i int) (bool, error) {
		return mend(sleeps[i].TID, func(regs *unix.PtraceRegs) bool {
			if int64(regs.Rax) != -restartRestartblock || int64(regs.Orig_rax) < 0 {
				return false
			}
			regs.Rax = uint64(sleeps[i].Result)
			return true
		})
	})
}

func mendAll(n int, one func(i int) (bool, error)) (mended int, err error) {
	if n == 0 {
		return 0, nil
	}
	runtime.LockOSThread() // ptrace belongs to a thread
	defer runtime.UnlockOSThread()
	for i := range n {
		ok, e := one(i)
		if ok {
			mended++
		}
		err = errors.Join(err, e)
	}
	return mended, err
}

// repeatInterrupted makes the registers those of a thread in front of its call.
func repeatInterrupted(regs *unix.PtraceRegs) bool {
	if int64(regs.Rax) != -int64(unix.EINTR) || int64(regs.Orig_rax) < 0 {
		return false
	}
	regs.Rip -= syscallLen
	regs.Rax = regs.Orig_rax
	regs.Orig_rax = ^uint64(0)
	return true
}

// mend has change alter the registers of one thread, if it says so.
func mend(tid int, change func(*unix.PtraceRegs) bool) (mended bool, err error) {
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
	if !change(&regs) {
		return false, nil
	}
	if err := unix.PtraceSetRegs(tid, &regs); err != nil {
		return false, fmt.Errorf("restart the call of thread %d: %w", tid, err)
	}
	return true, nil
}
