package loader

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

const peekShared = 1 // PTRACE_PEEKSIGINFO_SHARED

// queueProcessSignal is rt_sigqueueinfo with a value.
func queueProcessSignal(pid, sig int, value uint64) error {
	var info [128]byte
	binary.NativeEndian.PutUint32(info[0:], uint32(sig))
	code := int32(-1) // SI_QUEUE
	binary.NativeEndian.PutUint32(info[8:], uint32(code))
	binary.NativeEndian.PutUint64(info[24:], value)
	_, _, errno := unix.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(pid), uintptr(sig), uintptr(unsafe.Pointer(&info)))
	if errno != 0 {
		return errno
	}
	return nil
}
