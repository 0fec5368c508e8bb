package memory

import (
	"errors"
	"runtime"
	"sync/atomic"
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

const (
	pagemapScanIoctl = 0xc0606610 // PAGEMAP_SCAN, _IOWR('f', 16, struct pm_scan_arg)

	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
	pageIsPFNZero = 1 << 5
	pageIsGuard   = 1 << 8 // 6.15
)

// isGuard tells whether the region is a guard (MADV_GUARD_INSTALL), not pages.
func (r *pageRegion) isGuard() bool { return r.categories&pageIsGuard != 0 }

// noGuard remembers that the kernel does not know PAGE_IS_GUARD.
var noGuard atomic.Bool

// pagemapScan is one PAGEMAP_SCAN ioctl (Linux 6.7). It returns how many regions it
// filled; when all are, the rest of the range is not walked. ENOTTY on older kernels.
func pagemapScan(fd int, a Range, regions []pageRegion) (n int, err error) {
	const without = pageIsFile | pageIsPFNZero
	tell := uint64(0) // what regions are told apart by
	if !noGuard.Load() {
		tell = pageIsGuard
	}
	arg := pmScanArg{
		start: a.Start, end: a.End,
		vec: uint64(uintptr(unsafe.Pointer(&regions[0]))), vecLen: uint64(len(regions)),
		inverted: without, mask: without, anyOf: pageIsPresent | pageIsSwapped, ret: tell,
	}
	arg.size = uint64(unsafe.Sizeof(arg))
	r, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), pagemapScanIoctl, uintptr(unsafe.Pointer(&arg)))
	runtime.KeepAlive(regions)
	if e == 0 {
		return int(r), nil
	}
	if errors.Is(e, unix.EINVAL) && !noGuard.Swap(true) {
		return pagemapScan(fd, a, regions)
	}
	return 0, e
}

// addressOf is the address of a byte slice's memory.
func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
