package memory

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// kernelFeatures is what the running kernel tells about pages.
type kernelFeatures struct {
	pagemapScan bool // PAGEMAP_SCAN, 6.7
	guards      bool // PAGE_IS_GUARD, 6.15
}

// features probes the kernel, once.
var features = sync.OnceValues(func() (has kernelFeatures, err error) {
	fd, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return has, fmt.Errorf("open /proc/self/pagemap: %w", err)
	}
	defer unix.Close(fd)
	regions := make([]pageRegion, 1)
	for _, tell := range []uint64{pageIsPresent | pageIsGuard, pageIsPresent} {
		_, err = pagemapScan(fd, &pmScanArg{anyOf: pageIsPresent, ret: tell}, regions) // of nothing
		if err == nil {
			return kernelFeatures{pagemapScan: true, guards: tell&pageIsGuard != 0}, nil
		}
		if errors.Is(err, unix.ENOTTY) {
			return has, nil
		}
	}
	return has, fmt.Errorf("probe PAGEMAP_SCAN: %w", err)
})

// zeroFrames are the frame numbers of the kernel's zero pages; 0: not known.
type zeroFrames struct {
	page uint64
	huge uint64 // of the first page of the huge zero page
}

func (z zeroFrames) is(frame uint64) bool {
	return z.page != 0 && frame == z.page || z.huge != 0 && frame >= z.huge && frame < z.huge+hugePage/PageSize
}

// frames finds the zero pages, once. Pagemap shows frames with CAP_SYS_ADMIN only.
var frames = sync.OnceValue(func() zeroFrames {
	page := ownFrames(PageSize, unix.MADV_NOHUGEPAGE)
	if len(page) == 0 {
		return zeroFrames{}
	}
	z := zeroFrames{page: page[0] & pmFrame}
	// What is read and never written is the huge zero page, if there are huge pages at all.
	if huge := ownFrames(hugePage, unix.MADV_HUGEPAGE); len(huge) > 1 {
		first, second := huge[0]&pmFrame, huge[1]&pmFrame
		if first != z.page && first%(hugePage/PageSize) == 0 && second == first+1 {
			z.huge = first
		}
	}
	return z
})

// hugeZeroFrame is the huge zero page's first frame, 0 when it is not known.
func hugeZeroFrame() uint64 { return frames().huge }

// ownFrames are the pagemap entries of size bytes of fresh memory that was read. The memory
// stays mapped: the kernel gives the huge zero page back when nobody uses it.
func ownFrames(size uint64, advice int) []uint64 {
	mem, err := unix.Mmap(-1, 0, int(2*size), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil
	}
	_ = unix.Madvise(mem, advice) // no huge pages here: none are found
	at := roundUp(addressOf(mem), size)
	if mem[at-addressOf(mem)] != 0 { // the read that maps it
		return nil
	}
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil
	}
	defer f.Close()
	raw := make([]byte, size/PageSize*8)
	if _, err := f.ReadAt(raw, int64(at/PageSize*8)); err != nil {
		return nil
	}
	entries := make([]uint64, 0, len(raw)/8)
	for ; len(raw) > 0; raw = raw[8:] {
		entries = append(entries, nativeUint64(raw))
	}
	if entries[0]&pmPresent == 0 || entries[0]&pmFrame == 0 {
		return nil
	}
	return entries
}
