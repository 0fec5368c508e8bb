package memory

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// TaskSize is the end of the user's address space with four-level page tables,
// which is where mmap places mappings unless it is asked for more.
const TaskSize = 0x7ffffffff000

const (
	// regionsPerScan is how many page regions one PAGEMAP_SCAN call may return
	// before it is called again. The kernel itself starts anew after 512.
	regionsPerScan = 1024
	// entriesPerRead is how many pagemap entries are read at once.
	entriesPerRead = 2048
)

// Categories of pages, PAGE_IS_* of linux/fs.h.
const (
	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
	pageIsPFNZero = 1 << 5
	pageIsHuge    = 1 << 6
	pageIsGuard   = 1 << 8 // 6.15
)

// Scanner finds the private pages of one process that are in memory or in swap,
// without the zero page, pages that are still those of a file, and guard pages.
// Shared memory belongs to its object, see Shm. It is for one goroutine at a time.
type Scanner struct {
	// Guards are the areas of guard pages (MADV_GUARD_INSTALL) that the last Scan met.
	Guards []Range

	pid     int
	pagemap int // fd of /proc/PID/pagemap
	maps    int // fd of /proc/PID/maps, without PAGEMAP_SCAN; -1
	has     kernelFeatures
	regions []pageRegion
	entries []byte
	text    []byte // of maps
	mapped  []area // from maps
	zeros   zeroFrames
	looked  bool // a Scan was done before
	huge    bool // it met the huge zero page
}

// NewScanner opens /proc/PID/pagemap; call it before the freeze.
func NewScanner(pid int) (*Scanner, error) {
	has, err := features()
	if err != nil {
		return nil, err
	}
	return newScanner(pid, has)
}

func newScanner(pid int, has kernelFeatures) (*Scanner, error) {
	s := &Scanner{
		pid: pid, pagemap: -1, maps: -1, has: has,
		regions: make([]pageRegion, regionsPerScan), entries: make([]byte, 8*entriesPerRead),
	}
	if !has.pagemapScan {
		s.text, s.zeros = make([]byte, mapsRead), frames()
	}
	return s, s.open()
}

// open opens the process's pagemap, again after an execve: the file is that of the
// address space, not of the process.
func (s *Scanner) open() (err error) {
	s.Close()
	if s.pagemap, err = openProc(s.pid, "pagemap"); err != nil {
		return err
	}
	if !s.has.pagemapScan {
		s.maps, err = openProc(s.pid, "maps")
	}
	return err
}

func openProc(pid int, name string) (int, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/%s", pid, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /proc/%d/%s: %w", pid, name, err)
	}
	return fd, nil
}

// Close closes the pagemap.
func (s *Scanner) Close() {
	for _, fd := range []*int{&s.pagemap, &s.maps} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// Scan appends the runs of pages found in areas (ascending, disjoint) to dst: one
// ioctl an area, so that a few large areas, even with nothing mapped in them,
// are better than many small ones. It allocates only when dst, Guards or the lists
// of an earlier Scan are too small. A process that called execve after
// NewScanner is opened again.
func (s *Scanner) Scan(areas []Range, dst []Run) ([]Run, error) {
	had := len(dst)
	dst, err := s.scanAll(areas, dst)
	// Before 6.18 a dead address space may answer as an empty one; a live one has a stack.
	if (err != nil || len(dst) == had) && s.gone() {
		if err := s.open(); err != nil {
			return dst[:had], err
		}
		dst, err = s.scanAll(areas, dst[:had])
	}
	s.looked = s.looked || err == nil
	return dst, err
}

// gone tells whether the address space that was opened is no more.
func (s *Scanner) gone() bool {
	if s.pagemap < 0 {
		return true
	}
	n, err := unix.Pread(s.pagemap, s.entries[:8], 0)
	return n == 0 && err == nil
}

func (s *Scanner) scanAll(areas []Range, dst []Run) (_ []Run, err error) {
	s.Guards = s.Guards[:0]
	if !s.has.pagemapScan {
		if s.mapped, err = readMaps(s.pid, s.maps, s.text, s.mapped[:0]); err != nil {
			return dst, err
		}
	}
	left := s.mapped
	for _, a := range areas {
		switch {
		case a.Kind == KindWhole:
			dst = appendRun(dst, a.Start, a.End)
		case s.has.pagemapScan:
			dst, err = s.scanRegions(a, dst)
		default:
			dst, left, err = s.scanMapped(a, left, dst)
		}
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// scanRegions is Scan with PAGEMAP_SCAN.
func (s *Scanner) scanRegions(a Range, dst []Run) ([]Run, error) {
	// The frames of huge pages are looked at while the target runs, and in the
	// freeze only if that was of any use.
	arg := s.scanArg(a, !s.looked || s.huge)
	for arg.start < a.End {
		n, err := pagemapScan(s.pagemap, &arg, s.regions)
		if err != nil {
			return dst, fmt.Errorf("scan pages of %d at %#x: %w", s.pid, arg.start, err)
		}
		for i := range s.regions[:n] {
			if dst, err = s.appendRegion(&s.regions[i], dst); err != nil {
				return dst, err
			}
		}
		if n < len(s.regions) {
			break
		}
		// Not walk_end: seen on 6.18, a walk of more than 512 regions leaves
		// the place of an earlier flush of the kernel's own buffer in it.
		arg.start = s.regions[n-1].end
	}
	return dst, nil
}

// scanArg is what PAGEMAP_SCAN is asked about a.
func (s *Scanner) scanArg(a Range, tellHuge bool) pmScanArg {
	without := uint64(pageIsPFNZero)
	if a.Kind != KindAnonymous {
		without |= pageIsFile // costs a look at every page's struct page
	}
	tell := uint64(pageIsSwapped)
	if s.has.guards {
		tell |= pageIsGuard
	}
	if tellHuge {
		tell |= pageIsHuge
	}
	return pmScanArg{
		start: a.Start, end: a.End,
		inverted: without, mask: without, anyOf: pageIsPresent | pageIsSwapped, ret: tell,
	}
}

// appendRegion appends the pages of one region that PAGEMAP_SCAN returned.
func (s *Scanner) appendRegion(r *pageRegion, dst []Run) ([]Run, error) {
	switch {
	case r.categories&pageIsGuard != 0:
		s.Guards = appendRange(s.Guards, r.start, r.end, KindMixed)
		return dst, nil
	case r.categories&pageIsSwapped != 0:
		// Swapped pages, or markers in their place: the entries tell.
		return s.scanEntries(r.start, r.end, wantedSwapped, dst)
	case r.categories&pageIsHuge != 0:
		return s.appendHuge(r, dst)
	}
	return appendRun(dst, r.start, r.end), nil
}

// appendHuge appends huge pages without the huge zero page, which PAGEMAP_SCAN
// does not tell from others (6.18).
func (s *Scanner) appendHuge(r *pageRegion, dst []Run) ([]Run, error) {
	zero := hugeZeroFrame()
	if zero == 0 {
		return appendRun(dst, r.start, r.end), nil
	}
	for at := r.start; at < r.end; {
		end := min((at/hugePage+1)*hugePage, r.end)
		n, err := unix.Pread(s.pagemap, s.entries[:8], int64(at/PageSize*8))
		if err != nil || n != 8 {
			return dst, fmt.Errorf("read pagemap of %d at %#x: %w", s.pid, at, orEOF(err))
		}
		e := nativeUint64(s.entries)
		if e&pmPresent != 0 && e&pmFrame == zero+at%hugePage/PageSize {
			s.huge = true
		} else {
			dst = appendRun(dst, at, end)
		}
		at = end
	}
	return dst, nil
}

// orEOF is err, or what a read that returned nothing means: no address space any more.
func orEOF(err error) error {
	if err == nil {
		return unix.ESRCH
	}
	return err
}
