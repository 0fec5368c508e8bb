package memory

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSharedMemoryIsCopiedOnce(t *testing.T) {
	for _, name := range []string{"shared", "sysv", "shared:hugetlb"} {
		t.Run(name, func(t *testing.T) {
			if name == "shared:hugetlb" {
				needs(t, "hugetlb", lendHugePages(t))
			}
			f := start(t, name)
			s, err := OpenShm(f.pid, f.area.Start, f.area.End)
			needs(t, "root", err)
			defer s.Close()
			if err := s.Scan(); err != nil {
				t.Fatal(err)
			}
			checkShm(t, s, f)
			ways(t, func(t *testing.T, has kernelFeatures) {
				runs, err := scannerFor(t, f.pid, has).Scan([]Range{f.area}, nil)
				if err != nil || len(runs) > 0 {
					t.Fatalf("shared pages are taken for private ones: %x, %v", runs, err)
				}
			})
		})
	}
}

// checkShm copies an object, in memory and beyond the limit, and checks its pages.
func checkShm(t *testing.T, s *Shm, f *found) {
	t.Helper()
	var want []Run // as offsets
	for _, r := range f.runs {
		want = append(want, Run{r.Start - f.area.Start, r.Pages})
	}
	if !slices.Equal(s.Runs, want) {
		t.Fatalf("found %x, want %x", s.Runs, want)
	}
	for _, limit := range []uint64{0, 1 << 20} {
		got := copySources(t, 2, limit, s.Source).written(t)
		for _, written := range []Run{{PageSize, 2}, {1000 * PageSize, 600}} {
			off := uint64(0)
			for _, r := range s.Runs {
				if r.Start <= written.Start && written.End() <= r.End() {
					off += written.Start - r.Start
					checkPattern(t, got[off:], []Run{written}, f.area.Start)
					break
				}
				off += r.Bytes()
			}
		}
	}
}

// An object may end within a page, and be cut by somebody who is not frozen.
func TestSharedMemoryOfOddSize(t *testing.T) {
	fd, err := unix.MemfdCreate("odd", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "odd")
	defer file.Close()
	size := int64(10*PageSize + 100)
	if err := file.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte{42}, size-1); err != nil {
		t.Fatal(err)
	}
	s, err := OpenMemfd(os.Getpid(), fd)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Scan(); err != nil {
		t.Fatal(err)
	}
	if want := []Run{{10 * PageSize, 1}}; !slices.Equal(s.Runs, want) {
		t.Fatalf("found %x, want %x", s.Runs, want)
	}
	page := make([]byte, PageSize)
	page[99] = 42
	c := copySources(t, 1, 0, s.Source)
	if got := c.written(t); !slices.Equal(got, page) {
		t.Fatal("the last page is not what was written")
	}
	if err := file.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if err := c.copier.Copy([]*Source{s.Source}); err != nil {
		t.Fatal(err)
	}
	if got := c.written(t); !slices.Equal(got, make([]byte, PageSize)) {
		t.Fatal("a page that was cut is not zero")
	}
	if err := s.Scan(); err != nil || len(s.Runs) != 0 {
		t.Fatalf("an empty object has pages: %x, %v", s.Runs, err)
	}
}
