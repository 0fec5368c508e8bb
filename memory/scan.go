package memory

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// TaskSize is the end of the user's address space with four-level page tables,
// which is where mmap places mappings unless it is asked for more.
const TaskSize = 0x7ffffffff000

// regionsPerScan is how many page regions one PAGEMAP_SCAN call may return
// before it is called again.
const regionsPerScan = 16 << 10

// Scanner finds the private pages of one process that are in memory or in swap,
// without the zero page, pages that are still those of a file, and guard pages.
// Shared memory belongs to its object, see ShmObject.
type Scanner struct {
	pid     int
	pagemap int // fd of /proc/PID/pagemap
	regions []pageRegion
	entries []byte // for kernels without PAGEMAP_SCAN

	// Guards are the areas of guard pages (MADV_GUARD_INSTALL) that the last Scan met.
	Guards []Range
}

// NewScanner opens /proc/PID/pagemap; call it before the freeze.
func NewScanner(pid int) (*Scanner, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/pagemap", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open pagemap of %d: %w", pid, err)
	}
	return &Scanner{pid: pid, pagemap: fd, regions: make([]pageRegion, regionsPerScan), Guards: make([]Range, 0, 4096)}, nil
}

// Close closes the pagemap.
func (s *Scanner) Close() { unix.Close(s.pagemap) }

// Scan appends the runs of pages found in areas (ascending, disjoint) to dst: one
// ioctl an area, so that a few large areas are better than many small ones.
func (s *Scanner) Scan(areas []Range, dst []Run) ([]Run, error) {
	s.Guards = s.Guards[:0]
	for _, a := range areas {
		var err error
		if dst, err = s.scan(a, dst); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (s *Scanner) scan(a Range, dst []Run) ([]Run, error) {
	for a.Start < a.End {
		n, err := pagemapScan(s.pagemap, a, s.regions)
		if errors.Is(err, unix.ENOTTY) {
			return s.scanEntries(a, dst)
		}
		if err != nil {
			return dst, fmt.Errorf("scan pages of %d at %#x: %w", s.pid, a.Start, err)
		}
		for i := range s.regions[:n] {
			if r := &s.regions[i]; r.isGuard() {
				s.Guards = append(s.Guards, Range{r.start, r.end})
			} else {
				dst = appendRun(dst, r.start, r.end)
			}
		}
		if n < len(s.regions) {
			break
		}
		// Not walk_end: seen on 6.18, a walk of more than 512 regions leaves
		// the place of an earlier flush of the kernel's own buffer in it.
		a.Start = s.regions[n-1].end
	}
	return dst, nil
}

// Bits of a /proc/PID/pagemap entry (Documentation/admin-guide/mm/pagemap.rst).
const (
	pmFile    = 1 << 61
	pmSwap    = 1 << 62
	pmPresent = 1 << 63
	pmGuard   = 1 << 58
	pmPFN     = 1<<55 - 1
)

// wanted tells from a pagemap entry whether the page belongs into the image.
// zeroPFN is the frame of the zero page, 0 when it is not known.
func wanted(entry, zeroPFN uint64) bool {
	if entry&pmGuard != 0 || entry&pmFile != 0 {
		return false
	}
	if entry&pmSwap != 0 {
		return true
	}
	return entry&pmPresent != 0 && (zeroPFN == 0 || entry&pmPFN != zeroPFN)
}

// scanEntries reads pagemap entries: the way before Linux 6.7.
func (s *Scanner) scanEntries(a Range, dst []Run) ([]Run, error) {
	if s.entries == nil {
		s.entries = make([]byte, 64<<10)
	}
	zero := zeroPage()
	for a.Start < a.End {
		want := min(uint64(len(s.entries)), (a.End-a.Start)/PageSize*8)
		n, err := unix.Pread(s.pagemap, s.entries[:want], int64(a.Start/PageSize*8))
		if err != nil {
			return dst, fmt.Errorf("read pagemap of %d at %#x: %w", s.pid, a.Start, err)
		}
		if n < 8 {
			return dst, nil // past the end of the address space
		}
		dst = decodeEntries(s.entries[:n/8*8], a.Start, zero, dst)
		a.Start += uint64(n/8) * PageSize
	}
	return dst, nil
}

// decodeEntries appends the wanted pages among 8-byte pagemap entries; the first
// entry is that of the page at start.
func decodeEntries(entries []byte, start, zeroPFN uint64, dst []Run) []Run {
	for ; len(entries) >= 8; entries = entries[8:] {
		if wanted(nativeUint64(entries), zeroPFN) {
			dst = appendRun(dst, start, start+PageSize)
		}
		start += PageSize
	}
	return dst
}
