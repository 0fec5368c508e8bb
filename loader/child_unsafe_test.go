package loader

import (
	"encoding/binary"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// childBlocked blocks every signal on its thread.
func childBlocked() {
	set := ^uint64(0)
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, 0, uintptr(unsafe.Pointer(&set)), 0, 8, 0, 0)
	if errno != 0 {
		must(errno)
	}
}

const childGroupCount = 1300

// childGroups gives its thread more groups than one record holds.
func childGroups() {
	gids := make([]uint32, childGroupCount)
	for i := range gids {
		gids[i] = uint32(1000 + 3*i)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(gids)), uintptr(unsafe.Pointer(&gids[0])), 0)
	if errno != 0 {
		must(errno)
	}
}

// childSeccomp installs three filters for all threads: a long one, one that
// fills several records, a short one. All of them allow everything.
func childSeccomp() {
	must(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	for i, n := range childFilters {
		insns := childFilter(i, n)
		prog := unix.SockFprog{Len: uint16(n), Filter: &insns[0]}
		flags := uintptr(unix.SECCOMP_FILTER_FLAG_TSYNC)
		if i == 1 {
			flags |= unix.SECCOMP_FILTER_FLAG_LOG
		}
		_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
		if errno != 0 {
			must(errno)
		}
	}
}

var childFilters = []int{4096, 700, 1}

// childFilter is n instructions that end in "allow".
func childFilter(seed, n int) []unix.SockFilter {
	insns := make([]unix.SockFilter, n)
	for i := range insns {
		insns[i] = unix.SockFilter{Code: unix.BPF_LD | unix.BPF_IMM, K: uint32(seed<<16 | i)}
	}
	insns[n-1] = unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0x7fff0000}
	return insns
}

// childSleep waits in one of several kinds of call.
func childSleep(kind int) {
	ts := unix.Timespec{Sec: 10000}
	for {
		switch kind % 5 {
		case 0:
			_, _, _ = unix.Syscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 8, 0)
		case 1:
			_, _, _ = unix.Syscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), uintptr(unsafe.Pointer(&ts)), 0)
		case 2:
			word := uint32(0)
			_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), 0, 0, uintptr(unsafe.Pointer(&ts)), 0, 0)
		case 4:
			fd, err := unix.EpollCreate1(0)
			must(err)
			var event unix.EpollEvent
			for {
				_, _, _ = unix.Syscall6(unix.SYS_EPOLL_WAIT, uintptr(fd), uintptr(unsafe.Pointer(&event)), 1, ^uintptr(0), 0, 0)
			}
		case 3:
			_, _, _ = unix.Syscall(unix.SYS_PAUSE, 0, 0, 0)
		}
	}
}

// childCreds has a thread whose credentials are its own, and gives up capabilities.
func childCreds() {
	runtime.LockOSThread()
	childGroupsOf(5, 7, 4000000000)
	must(unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0))
	raw := func(nr, a, b, c uintptr) {
		if _, _, errno := unix.RawSyscall(nr, a, b, c); errno != 0 {
			must(errno)
		}
	}
	raw(unix.SYS_SETRESGID, 101, 102, 103)
	raw(unix.SYS_SETRESUID, 201, 202, 203)
	raw(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, 12, 0)
	raw(unix.SYS_SETPRIORITY, 0, 0, 19) // lower than ours, whatever that is
	raw(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(&[]byte("fifteen bytes !\x00")[0])), 0)
	stack := make([]byte, 1<<16)
	alt := struct {
		sp    uintptr
		flags uint64
		size  uint64
	}{uintptr(unsafe.Pointer(&stack[0])), 1 << 31, 1 << 16}
	raw(unix.SYS_SIGALTSTACK, uintptr(unsafe.Pointer(&alt)), 0, 0)
}

func childGroupsOf(gids ...uint32) {
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(gids)), uintptr(unsafe.Pointer(&gids[0])), 0); errno != 0 {
		must(errno)
	}
}

// --- the other side: what ptrace and system calls say ---

func ptrace(req, pid int, addr uintptr, data unsafe.Pointer) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(req), uintptr(pid), addr, uintptr(data), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

const ntX86Xstate = 0x202

func ptraceXstate(tid int) ([]byte, error) {
	buf := make([]byte, 1<<14)
	iov := unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
	_, err := ptrace(unix.PTRACE_GETREGSET, tid, ntX86Xstate, unsafe.Pointer(&iov))
	return buf[:iov.Len], err
}

func ptraceSetXstate(tid int, buf []byte) error {
	iov := unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
	_, err := ptrace(unix.PTRACE_SETREGSET, tid, ntX86Xstate, unsafe.Pointer(&iov))
	return err
}

// ptracePeekSiginfo reads a thread's private queue, or with peekShared its process's.
func ptracePeekSiginfo(tid int, flags uint32) ([][128]byte, error) {
	var all [][128]byte
	for {
		var buf [16][128]byte
		args := struct {
			off   uint64
			flags uint32
			nr    int32
		}{uint64(len(all)), flags, int32(len(buf))}
		n, err := ptrace(0x4209, tid, uintptr(unsafe.Pointer(&args)), unsafe.Pointer(&buf))
		if err != nil || n == 0 {
			return all, err
		}
		all = append(all, buf[:n]...)
	}
}

// ptraceSeccomp reads filter i, counted from the oldest, and its flags.
func ptraceSeccomp(tid, i int) ([]byte, uint64, error) {
	buf := make([]byte, 4096*8)
	n, err := ptrace(0x420c, tid, uintptr(i), unsafe.Pointer(&buf[0]))
	if err != nil {
		return nil, 0, err
	}
	md := [2]uint64{uint64(i), 0}
	_, err = ptrace(0x420d, tid, unsafe.Sizeof(md), unsafe.Pointer(&md))
	return buf[:n*8], md[1], err
}

type rseqConf struct {
	ptr       uint64
	size, sig uint32
	_, _      uint32
}

func ptraceRseq(tid int) (c rseqConf, err error) {
	_, err = ptrace(0x420f, tid, unsafe.Sizeof(c), unsafe.Pointer(&c))
	return c, err
}

func ptraceSigmask(tid int) (m uint64, err error) {
	_, err = ptrace(0x420a, tid, 8, unsafe.Pointer(&m))
	return m, err
}

// queueSignal is rt_tgsigqueueinfo with a value.
func queueSignal(pid, tid, sig int, value uint64) error {
	var info [128]byte
	binary.NativeEndian.PutUint32(info[0:], uint32(sig))
	code := int32(-1) // SI_QUEUE
	binary.NativeEndian.PutUint32(info[8:], uint32(code))
	binary.NativeEndian.PutUint64(info[24:], value)
	_, _, errno := unix.Syscall6(unix.SYS_RT_TGSIGQUEUEINFO, uintptr(pid), uintptr(tid), uintptr(sig), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func robustList(tid int) (head, size uint64, err error) {
	_, _, errno := unix.Syscall(unix.SYS_GET_ROBUST_LIST, uintptr(tid), uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		err = errno
	}
	return head, size, err
}
