package memory

import (
	"encoding/binary"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

func nativeUint64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }

// zeroPage is the frame number of the kernel's zero page, found by reading a
// fresh page of our own; 0 when pagemap does not show frame numbers.
var zeroPage = sync.OnceValue(func() uint64 {
	page, err := unix.Mmap(-1, 0, int(PageSize), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return 0
	}
	defer unix.Munmap(page)
	if page[0] != 0 { // the read maps the zero page
		return 0
	}
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return 0
	}
	defer f.Close()
	var entry [8]byte
	if _, err := f.ReadAt(entry[:], int64(addressOf(page)/PageSize*8)); err != nil {
		return 0
	}
	return nativeUint64(entry[:]) & pmPFN
})
