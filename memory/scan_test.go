package memory

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ways are the two ways to scan: with PAGEMAP_SCAN, where the kernel has it, and without.
func ways(t *testing.T, f func(t *testing.T, has kernelFeatures)) {
	has, err := features()
	if err != nil {
		t.Fatal(err)
	}
	if has.pagemapScan {
		t.Run("ioctl", func(t *testing.T) { f(t, has) })
		t.Run("ioctl without guards", func(t *testing.T) { f(t, kernelFeatures{pagemapScan: true}) })
	}
	t.Run("entries", func(t *testing.T) { f(t, kernelFeatures{}) })
}

func scannerFor(tb testing.TB, pid int, has kernelFeatures) *Scanner {
	tb.Helper()
	s, err := newScanner(pid, has)
	needs(tb, "root", err)
	tb.Cleanup(s.Close)
	return s
}

func TestScanFindsWhatBelongsIntoAnImage(t *testing.T) {
	for _, name := range []string{"anonymous", "file", "guard", "marker", "huge", "big:64,9", "sparse:3000"} {
		t.Run(name, func(t *testing.T) {
			f := start(t, name)
			if f.old {
				t.Log("this kernel does not have it")
				return
			}
			ways(t, func(t *testing.T, has kernelFeatures) {
				s := scannerFor(t, f.pid, has)
				for range 3 { // first while it runs, then in the freeze
					checkScan(t, s, f, f.area)
				}
				if name != "file" {
					checkScan(t, s, f, Range{f.area.Start, f.area.End, KindAnonymous})
				}
			})
		})
	}
}

func checkScan(t *testing.T, s *Scanner, f *found, area Range) {
	t.Helper()
	runs, err := s.Scan([]Range{area}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(runs, f.runs) {
		t.Fatalf("kind %d: found %d runs, want %d: %x and %x", area.Kind, len(runs), len(f.runs), head(runs), head(f.runs))
	}
	if !slices.Equal(s.Guards, f.guards) {
		t.Fatalf("found guards %x, want %x", s.Guards, f.guards)
	}
}

func head(runs []Run) []Run { return runs[:min(len(runs), 8)] }

// A vector that is full ends a call early; nothing may be lost or found twice.
func TestScanGoesOnWhenTheVectorIsFull(t *testing.T) {
	f := start(t, "sparse:3000")
	has, _ := features()
	if !has.pagemapScan {
		t.Log("this kernel does not have it")
		return
	}
	s := scannerFor(t, f.pid, has)
	for _, n := range []int{1, 2, 511, 512, 513, 1024, 2999, 3000, 3001} {
		s.regions = make([]pageRegion, n)
		checkScan(t, s, f, f.area)
	}
}

// The whole address space, as it is used: everything that the kernel's own numbers
// call private and dirty has to be in it.
func TestScanOfAWholeProcess(t *testing.T) {
	f := start(t, "big:8,5")
	unix.Kill(f.pid, unix.SIGSTOP)
	waitStopped(t, f.pid)
	maps, err := os.ReadFile("/proc/" + strconv.Itoa(f.pid) + "/maps")
	needs(t, "root", err)
	mapped, err := parseMaps(maps, nil)
	if err != nil {
		t.Fatal(err)
	}
	areas := toScan(mapped)
	var first []Run
	ways(t, func(t *testing.T, has kernelFeatures) {
		s := scannerFor(t, f.pid, has)
		runs, err := s.Scan(areas, nil)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = runs
		}
		if !slices.Equal(runs, first) {
			t.Fatalf("%d runs with %d pages, another way %d with %d", len(runs), countPages(runs), len(first), countPages(first))
		}
		if want := anonymousPages(t, f.pid); countPages(runs) < want || countPages(runs) > want+16 {
			t.Fatalf("%d pages, the kernel counts %d anonymous ones and those of the vdso", countPages(runs), want)
		}
	})
}

// anonymousPages is "Anonymous" of smaps_rollup, in pages.
func anonymousPages(t *testing.T, pid int) uint64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nAnonymous:")
	kib, err := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10 / PageSize
}

func waitStopped(t *testing.T, pid int) {
	t.Helper()
	for range 10000 {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), ") T ") {
			return
		}
		unix.Nanosleep(&unix.Timespec{Nsec: 1e5}, nil)
	}
	t.Fatal("target does not stop")
}

func TestScanOfSwappedPages(t *testing.T) {
	needs(t, "swap", addSwap(t))
	f := start(t, "swap")
	ways(t, func(t *testing.T, has kernelFeatures) {
		s := scannerFor(t, f.pid, has)
		entry := make([]byte, 8)
		if _, err := unix.Pread(s.pagemap, entry, int64(f.area.Start/PageSize*8)); err != nil {
			t.Fatal(err)
		}
		if nativeUint64(entry)&pmSwapped == 0 {
			t.Fatalf("the page was not swapped out: %#x", nativeUint64(entry))
		}
		checkScan(t, s, f, f.area)
	})
	checkCopied(t, copyOnce(t, f, 2, 0), f)
}

// addSwap makes a small swap file for the length of the test.
func addSwap(t *testing.T) error {
	const pages = 2048
	dir, err := os.MkdirTemp("/var/tmp", "memory-test") // a tmpfs cannot swap
	if err != nil {
		return err
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := make([]byte, pages*PageSize)
	copy(file[1024:], []byte{1, 0, 0, 0, 0xff, 7, 0, 0}) // version, last page
	copy(file[PageSize-10:], "SWAPSPACE2")
	path := dir + "/swap"
	if err := os.WriteFile(path, file, 0o600); err != nil {
		return err
	}
	unix.Sync()
	if err := swapOn(path); err != nil {
		return err
	}
	t.Cleanup(func() {
		if err := swapOff(path); err != nil {
			t.Error(err)
		}
	})
	return nil
}

func TestScanOfHugetlb(t *testing.T) {
	needs(t, "hugetlb", lendHugePages(t))
	f := start(t, "hugetlb")
	ways(t, func(t *testing.T, has kernelFeatures) {
		checkScan(t, scannerFor(t, f.pid, has), f, f.area)
	})
	checkCopied(t, copyOnce(t, f, 2, 0), f)
}

// lendHugePages lets a few hugetlb pages be made while they are used.
func lendHugePages(t *testing.T) error {
	const path = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages"
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	t.Cleanup(func() { os.WriteFile(path, old, 0) })
	return os.WriteFile(path, []byte("16"), 0)
}

// The files that were opened are those of an address space; an execve makes another.
func TestExecBetweenOpenAndScan(t *testing.T) {
	ways(t, func(t *testing.T, has kernelFeatures) {
		f := start(t, "exec:first")
		s := scannerFor(t, f.pid, has)
		src, err := NewSource(f.pid)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		if _, err := f.in.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		f.read(t)
		checkScan(t, s, f, f.area)
		src.Runs = f.runs
		checkCopied(t, copySources(t, 1, 0, src), f)
	})
}

func TestScanOfAProcessThatEnded(t *testing.T) {
	ways(t, func(t *testing.T, has kernelFeatures) {
		f := start(t, "anonymous")
		s := scannerFor(t, f.pid, has)
		f.started.Process.Kill()
		unix.Waitid(unix.P_PID, f.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) // a zombie now
		if _, err := s.Scan([]Range{f.area}, nil); !errors.Is(err, unix.ESRCH) {
			t.Fatalf("a zombie is scanned: %v", err)
		}
		f.started.Wait()
		if _, err := s.Scan([]Range{f.area}, nil); !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESRCH) {
			t.Fatalf("a process that ended is scanned: %v", err)
		}
	})
}

func TestScanDoesNotAllocate(t *testing.T) {
	f := start(t, "sparse:3000")
	ways(t, func(t *testing.T, has kernelFeatures) {
		s := scannerFor(t, f.pid, has)
		areas := []Range{f.area}
		runs, err := s.Scan(areas, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := allocations(func() { runs, err = s.Scan(areas, runs[:0]) }); n != 0 || err != nil {
			t.Fatalf("%v allocations, %v", n, err)
		}
	})
}
