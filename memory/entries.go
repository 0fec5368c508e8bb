package memory

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Bits of a /proc/PID/pagemap entry (Documentation/admin-guide/mm/pagemap.rst).
const (
	pmFrame   = 1<<55 - 1 // of a page in memory; of a swapped one: type and offset
	pmAlone   = 1 << 56   // mapped once
	pmUffdWP  = 1 << 57
	pmGuard   = 1 << 58 // 6.14
	pmFile    = 1 << 61
	pmSwapped = 1 << 62
	pmPresent = 1 << 63
)

// Swap entries that are no swap: markers in a page table (linux/swapops.h). Their
// swap type is the last one, their offset says which.
const (
	swapTypeMask  = 31
	swapMarker    = 31
	markerUffdWP  = 1 << 0
	markerGuard   = 1 << 2
	swapOffsetBit = 5
)

// pageClass is what a pagemap entry means to an image.
type pageClass uint8

const (
	pageSkipped pageClass = iota
	pageWanted
	pageGuard
)

func nativeUint64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }

// classSwapped classifies an entry with the swapped bit. A marker that userfaultfd left
// where no page is must not be read: it could block for ever, or allocate. A poisoned
// page cannot be read either, but it has to be said: it counts as wanted.
func classSwapped(entry uint64) pageClass {
	if entry&pmGuard != 0 {
		return pageGuard
	}
	if frame := entry & pmFrame; frame&swapTypeMask == swapMarker {
		switch marker := frame >> swapOffsetBit; {
		case marker&markerGuard != 0:
			return pageGuard
		case marker == markerUffdWP:
			return pageSkipped
		}
	}
	return pageWanted
}

// classify tells from an entry alone whether the page belongs into the image.
func classify(entry uint64, zero zeroFrames) pageClass {
	switch {
	case entry&pmFile != 0:
		return pageSkipped
	case entry&pmSwapped != 0:
		return classSwapped(entry)
	case entry&pmGuard != 0:
		return pageGuard
	case entry&pmPresent == 0 || zero.is(entry&pmFrame):
		return pageSkipped
	}
	return pageWanted
}

// wantedSwapped classifies an entry where PAGEMAP_SCAN saw something swapped.
// The pagemap shows neither swapped nor present where a hugetlb page is being moved, and
// where userfaultfd left a marker in a hugetlb mapping.
func wantedSwapped(entry uint64, _ zeroFrames) pageClass {
	switch {
	case entry&pmSwapped != 0:
		return classSwapped(entry)
	case entry&pmPresent == 0 && entry&pmUffdWP != 0:
		return pageSkipped
	}
	return pageWanted
}

// decodeEntries appends the wanted pages among 8-byte pagemap entries to runs and
// guard pages to guards; the first entry is that of the page at start.
func decodeEntries(entries []byte, start uint64, class func(uint64, zeroFrames) pageClass, zero zeroFrames,
	runs []Run, guards []Range) ([]Run, []Range) {
	for ; len(entries) >= 8; entries = entries[8:] {
		switch class(nativeUint64(entries), zero) {
		case pageWanted:
			runs = appendRun(runs, start, start+PageSize)
		case pageGuard:
			guards = appendRange(guards, start, start+PageSize, KindMixed)
		}
		start += PageSize
	}
	return runs, guards
}

// scanEntries reads the entries of [start, end), which is mapped, and appends the wanted pages.
func (s *Scanner) scanEntries(start, end uint64, class func(uint64, zeroFrames) pageClass, dst []Run) ([]Run, error) {
	for start < end {
		entries, err := s.readEntries(start, end)
		if err != nil {
			return dst, err
		}
		dst, s.Guards = decodeEntries(entries, start, class, s.zeros, dst, s.Guards)
		start += uint64(len(entries)/8) * PageSize
	}
	return dst, nil
}

// readEntries reads some of the entries of [start, end), at least one.
func (s *Scanner) readEntries(start, end uint64) ([]byte, error) {
	want := min(uint64(len(s.entries)), (end-start)/PageSize*8)
	n, err := unix.Pread(s.pagemap, s.entries[:want], int64(start/PageSize*8))
	if err != nil || n < 8 {
		return nil, fmt.Errorf("read pagemap of %d at %#x: %w", s.pid, start, orEOF(err))
	}
	return s.entries[:n/8*8], nil
}
