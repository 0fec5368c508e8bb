package memory

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// copied is one copy and what it was made of.
type copied struct {
	copier *Copier
	source *Source
}

// copyOnce scans a target's area and copies it with n workers; limit, if any, is how
// many bytes of it stay in memory.
func copyOnce(t *testing.T, f *found, n int, limit uint64) copied {
	t.Helper()
	s := sourceOf(t, f)
	return copySources(t, n, limit, s)
}

// sourceOf is a target's area, scanned.
func sourceOf(tb testing.TB, f *found) *Source {
	tb.Helper()
	scanner, err := NewScanner(f.pid)
	needs(tb, "root", err)
	defer scanner.Close()
	s, err := NewSource(f.pid)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	if s.Runs, err = scanner.Scan([]Range{f.area}, nil); err != nil {
		tb.Fatal(err)
	}
	return s
}

func copySources(t *testing.T, n int, limit uint64, sources ...*Source) copied {
	t.Helper()
	total := uint64(0)
	for _, s := range sources {
		total += s.Pages() * PageSize
	}
	var spill *Spill
	size := total
	if limit > 0 {
		var err error
		if spill, err = NewSpill(t.TempDir(), limit); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(spill.Close)
		if err := spill.Reserve(total); err != nil {
			t.Fatal(err)
		}
		size = limit
	}
	c := newCopier(t, n, size, spill)
	if err := c.Copy(sources); err != nil {
		t.Fatal(err)
	}
	return copied{c, sources[0]}
}

func newCopier(tb testing.TB, n int, size uint64, spill *Spill) *Copier {
	tb.Helper()
	buf, err := NewBuffer(size, size, n)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(buf.Free)
	c, err := NewCopier(n, buf, spill, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Stop)
	return c
}

// written is what WriteTo writes.
func (c copied) written(t *testing.T) []byte {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "pages")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := c.copier.WriteTo(c.source, file); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	if uint64(len(got)) != c.source.Pages()*PageSize {
		t.Fatalf("%d bytes for %d pages", len(got), c.source.Pages())
	}
	return got
}

// checkCopied compares every byte with the pattern that the target wrote.
func checkCopied(t *testing.T, c copied, f *found) {
	t.Helper()
	if !slices.Equal(c.source.Runs, f.runs) {
		t.Fatalf("runs %x, want %x", head(c.source.Runs), head(f.runs))
	}
	checkPattern(t, c.written(t), c.source.Runs, 0)
}

// checkPattern checks pages whose addresses are those of runs plus base.
func checkPattern(t *testing.T, got []byte, runs []Run, base uint64) {
	t.Helper()
	want := make([]byte, PageSize)
	for _, r := range runs {
		for p := r.Start; p < r.End(); p += PageSize {
			pattern(want, base+p)
			if !bytes.Equal(got[:PageSize], want) {
				t.Fatalf("page %#x begins with %x, want %x", base+p, got[:8], want[:8])
			}
			got = got[PageSize:]
		}
	}
}

func TestCopyOfEveryPageThatIsFound(t *testing.T) {
	for _, name := range []string{"anonymous", "file", "guard", "huge", "marker", "sparse:3000", "big:64,0", "big:40,9"} {
		t.Run(name, func(t *testing.T) {
			f := start(t, name)
			for _, workers := range []int{1, 2, 5} {
				checkCopied(t, copyOnce(t, f, workers, 0), f)
			}
		})
	}
}

func TestCopyBeyondTheLimit(t *testing.T) {
	f := start(t, "big:40,9")
	for _, limit := range []uint64{PageSize, 8<<20 + 3*PageSize, 35 << 20, 64 << 20} {
		checkCopied(t, copyOnce(t, f, 2, limit), f)
	}
}

func TestCopyOfMoreThanWasReserved(t *testing.T) {
	f := start(t, "big:40,9")
	s := sourceOf(t, f)
	c := newCopier(t, 2, 4<<20, nil)
	for range 2 {
		if err := c.Copy([]*Source{s}); err != nil {
			t.Fatal(err)
		}
		checkCopied(t, copied{c, s}, f)
	}
}

func TestCopyOfSeveralProcesses(t *testing.T) {
	var all []*found
	var sources []*Source
	for _, name := range []string{"big:9,7", "anonymous", "sparse:1500", "big:16,0"} {
		f := start(t, name)
		all, sources = append(all, f), append(sources, sourceOf(t, f))
	}
	for _, limit := range []uint64{0, 12 << 20} {
		c := copySources(t, 2, limit, sources...)
		for i, s := range sources {
			checkCopied(t, copied{c.copier, s}, all[i])
		}
	}
}

func TestCopyDoesNotAllocate(t *testing.T) {
	f := start(t, "anonymous") // with pages that the process may not read
	g := start(t, "sparse:3000")
	for _, limit := range []uint64{0, 4 << 20} {
		sources := []*Source{sourceOf(t, f), sourceOf(t, g)}
		c := copySources(t, 2, limit, sources...)
		scanner, err := NewScanner(g.pid)
		if err != nil {
			t.Fatal(err)
		}
		defer scanner.Close()
		areas := []Range{g.area}
		n := allocations(func() {
			s := sources[1]
			if s.Runs, err = scanner.Scan(areas, s.Runs[:0]); err != nil {
				t.Fatal(err)
			}
			if err := c.copier.Copy(sources); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Fatalf("limit %d: %v allocations in scan and copy", limit, n)
		}
	}
}

// allocations is how often f allocates. Go's runtime may make a thread meanwhile, and
// counts that too, so that it is the least of several tries.
func allocations(f func()) float64 {
	least := testing.AllocsPerRun(5, f)
	for i := 0; i < 10 && least > 0; i++ {
		least = min(least, testing.AllocsPerRun(5, f))
	}
	return least
}

func TestCopyNamesWhatItCannotRead(t *testing.T) {
	f := start(t, "anonymous")
	s := sourceOf(t, f)
	s.Runs = []Run{{f.area.Start, 1}, {1 << 20, 2}} // nothing is mapped there
	c := newCopier(t, 2, 1<<20, nil)
	err := c.Copy([]*Source{s})
	if err == nil || !strings.Contains(err.Error(), "0x100000") {
		t.Fatalf("an error without the address: %v", err)
	}
	s.Runs = f.runs // and it works again
	if err := c.Copy([]*Source{s}); err != nil {
		t.Fatal(err)
	}
	f.started.Process.Kill()
	f.started.Wait()
	if err := c.Copy([]*Source{s}); !errors.Is(err, unix.ESRCH) {
		t.Fatalf("memory of a process that ended: %v", err)
	}
}

// What lies outside of the frozen process's private mappings is not written, wherever it was copied to.
func TestWriteToLeavesOutWhatConfineDid(t *testing.T) {
	f := start(t, "big:40,9")
	third := (f.area.End - f.area.Start) / 3 / PageSize * PageSize
	vmas := []fastcr.VMA{
		{Start: f.area.Start, End: f.area.Start + third, Kind: fastcr.VMAAnonPrivate},
		{Start: f.area.Start + third, End: f.area.End - third, Kind: fastcr.VMAAnonShared, Flags: fastcr.VMShared},
		{Start: f.area.End - third, End: f.area.End, Kind: fastcr.VMAAnonPrivate},
	}
	for _, limit := range []uint64{0, 8 << 20, 30 << 20} {
		c := copyOnce(t, f, 2, limit)
		all := c.source.Pages()
		if err := c.source.Confine(vmas, []Range{f.area}); err != nil {
			t.Fatal(err)
		}
		if got := c.source.Pages(); got >= all*3/4 || got <= all/2 {
			t.Fatalf("%d pages of %d are left", got, all)
		}
		checkPattern(t, c.written(t), c.source.Runs, 0)
	}
}

func TestWriteToNeedsRoom(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	f := start(t, "anonymous")
	c := copyOnce(t, f, 1, 0)
	if err := c.copier.WriteTo(c.source, full); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("a full disk: %v", err)
	}
	if err := c.copier.WriteTo(c.source, full); err == nil {
		t.Fatal("pages that were given back are written")
	}
}

// Written pages are given back: an image in a tmpfs must not need memory twice.
func TestWriteToGivesMemoryBack(t *testing.T) {
	f := start(t, "big:128,0")
	c := copyOnce(t, f, 2, 0)
	before := residentOf(t, os.Getpid())
	file, err := os.CreateTemp(t.TempDir(), "pages")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := c.copier.WriteTo(c.source, file); err != nil {
		t.Fatal(err)
	}
	if after := residentOf(t, os.Getpid()); after+100<<20 > before {
		t.Fatalf("%d MiB before, %d after", before>>20, after>>20)
	}
}

func residentOf(t *testing.T, pid int) uint64 {
	t.Helper()
	return anonymousPages(t, pid) * PageSize
}

func TestStopLeavesNoThreadAndNoMemory(t *testing.T) {
	before := runtime.NumGoroutine()
	f := start(t, "anonymous")
	s := sourceOf(t, f)
	for range 3 {
		buf, err := NewBuffer(1<<20, 1<<20, 2)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCopier(4, buf, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Copy([]*Source{s}); err != nil {
			t.Fatal(err)
		}
		c.Stop()
		buf.Free()
		buf.Free() // harmless
	}
	for range 1000 {
		if runtime.NumGoroutine() <= before+1 {
			return
		}
		unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil)
	}
	t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
