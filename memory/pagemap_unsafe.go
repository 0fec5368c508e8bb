package memory

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pageRegion is struct page_region of linux/fs.h.
type pageRegion struct{ start, end, categories uint64 }

// pmScanArg is struct pm_scan_arg of linux/fs.h.
type pmScanArg struct {
	size, flags, start, end, walkEnd uint64
	vec, vecLen, maxPages            uint64
	inverted, mask, anyOf, ret       uint64
}

// pagemapScan is one ioctl PAGEMAP_SCAN (Linux 6.7): it fills regions from the
// range, and tells how many. start, end, the masks and flags are the caller's.
// ENOTTY on older kernels, EINVAL for a category that the kernel does not know, ESRCH when the
// address space is gone.
func pagemapScan(fd int, arg *pmScanArg, regions []pageRegion) (int, error) {
	const pagemapScanIoctl = 0xc0606610 // _IOWR('f', 16, struct pm_scan_arg)
	arg.size = uint64(unsafe.Sizeof(*arg))
	arg.vec, arg.vecLen = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(regions)))), uint64(len(regions))
	n, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), pagemapScanIoctl, uintptr(unsafe.Pointer(arg)))
	runtime.KeepAlive(regions)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

// addressOf is the address of a byte slice's memory.
func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
