package memory

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// uffdioAPI is struct uffdio_api, uffdioRange struct uffdio_register and, with
// its first three fields, struct uffdio_writeprotect (linux/userfaultfd.h).
type (
	uffdioAPI   struct{ api, features, ioctls uint64 }
	uffdioRange struct{ start, len, mode, ioctls uint64 }
)

func uffdInit(fd int, features uint64) error {
	a := uffdioAPI{api: 0xaa, features: features}
	return uffdIoctl(fd, 0xc018aa3f, unsafe.Pointer(&a))
}

func uffdRegister(fd int, mem []byte, mode uint64) error {
	r := uffdioRange{start: addressOf(mem), len: uint64(len(mem)), mode: mode}
	return uffdIoctl(fd, 0xc020aa00, unsafe.Pointer(&r))
}

func uffdProtect(fd int, mem []byte) error {
	r := uffdioRange{start: addressOf(mem), len: uint64(len(mem)), mode: 1}
	return uffdIoctl(fd, 0xc018aa06, unsafe.Pointer(&r))
}

func uffdIoctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); e != 0 {
		return e
	}
	return nil
}

// swapOn is swapon(2), swapOff swapoff(2).
func swapOn(path string) error  { return swapCall(unix.SYS_SWAPON, path) }
func swapOff(path string) error { return swapCall(unix.SYS_SWAPOFF, path) }

func swapCall(nr uintptr, path string) error {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	if _, _, e := unix.Syscall(nr, uintptr(unsafe.Pointer(p)), 0, 0); e != 0 {
		return e
	}
	return nil
}
