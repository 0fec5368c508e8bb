package check

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/userfaultfd.h.
const (
	uffdAPI              = 0xaa
	uffdioAPI            = 0xc018aa3f // _IOWR(0xaa, 0x3f, struct uffdio_api)
	uffdWPUnpopulated    = 1 << 13    // UFFD_FEATURE_WP_UNPOPULATED, Linux 6.4
	uffdWPAsync          = 1 << 15    // UFFD_FEATURE_WP_ASYNC, Linux 6.7
	uffdTrackingFeatures = uffdWPUnpopulated | uffdWPAsync
)

// uffdioAPIArg is struct uffdio_api.
type uffdioAPIArg struct {
	api, features, ioctls uint64
}

// tracking tells whether this kernel can write-protect memory without a handler.
func tracking() error {
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|unix.O_NONBLOCK, 0, 0)
	if errno != 0 {
		return fmt.Errorf("userfaultfd: %w", errno)
	}
	defer unix.Close(int(fd))
	arg := uffdioAPIArg{api: uffdAPI, features: uffdTrackingFeatures}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, uffdioAPI, uintptr(unsafe.Pointer(&arg))); errno != 0 {
		return fmt.Errorf("userfaultfd has no WP_ASYNC (Linux 6.7): %w", errno)
	}
	return nil
}
