package objects

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// getFilter reads the classic filter of a socket into code, whose length is in instructions
// (struct sock_filter) for this option, unlike others. It returns their number.
func getFilter(fd int, code []unix.SockFilter) (int, error) {
	n := uint32(len(code))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_GET_FILTER,
		uintptr(unsafe.Pointer(unsafe.SliceData(code))), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
