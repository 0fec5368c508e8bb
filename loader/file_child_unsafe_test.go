package loader

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// struct f_owner_ex
type ownerEx struct {
	typ, pid int32
}

const (
	fSetOwnEx = 15
	fGetOwnEx = 16
	fGetSig   = 11
	fGetUIDs  = 17
)

func setOwner(fd, typ, pid int) {
	o := ownerEx{int32(typ), int32(pid)}
	if _, _, errno := unix.Syscall(unix.SYS_FCNTL, uintptr(fd), fSetOwnEx, uintptr(unsafe.Pointer(&o))); errno != 0 {
		must(errno)
	}
}

func getOwner(fd int) (o ownerEx, uids [2]uint32, err error) {
	if _, _, errno := unix.Syscall(unix.SYS_FCNTL, uintptr(fd), fGetOwnEx, uintptr(unsafe.Pointer(&o))); errno != 0 {
		return o, uids, errno
	}
	if _, _, errno := unix.Syscall(unix.SYS_FCNTL, uintptr(fd), fGetUIDs, uintptr(unsafe.Pointer(&uids))); errno != 0 && errno != unix.EINVAL {
		return o, uids, errno
	}
	return o, uids, nil
}

func ioUring() (int, error) {
	var params [120]byte
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

func userfaultfd() (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

func bpfMap() (int, error) {
	attr := [4]uint32{2, 4, 4, 1} // BPF_MAP_TYPE_ARRAY of one
	return bpf(unix.BPF_MAP_CREATE, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
}
