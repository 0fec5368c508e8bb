package memory

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be its own target: it maps what the tests look
// for and prints the addresses.
func TestMain(m *testing.M) {
	if mib := os.Getenv("MEMORY_TEST_TARGET"); mib != "" {
		var n int
		fmt.Sscan(mib, &n)
		target(n << 20)
	}
	os.Exit(m.Run())
}

func target(size int) {
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		panic(err)
	}
	for off := 0; off < size; off += int(PageSize) {
		if off/int(PageSize)%7 == 3 {
			_ = mem[off] // the zero page, or nothing
			continue
		}
		binary.NativeEndian.PutUint64(mem[off:], uint64(off)+1)
	}
	secret := mem[:4*PageSize]
	if err := unix.Mprotect(secret, unix.PROT_NONE); err != nil {
		panic(err)
	}
	fmt.Println(addressOf(mem))
	time.Sleep(time.Minute)
	os.Exit(0)
}

// startTarget starts a process with that many MiB and returns its pid and area.
func startTarget(tb testing.TB, mib int) (int, Range) {
	tb.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprintf("MEMORY_TEST_TARGET=%d", mib))
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var addr uint64
	if _, err := fmt.Fscan(out, &addr); err != nil {
		tb.Fatal(err)
	}
	unix.Kill(cmd.Process.Pid, unix.SIGSTOP)
	return cmd.Process.Pid, Range{addr, addr + uint64(mib)<<20}
}

// newSource scans a target's area.
func newSource(tb testing.TB, pid int, a Range) *Source {
	tb.Helper()
	sc, err := NewScanner(pid)
	if err != nil {
		tb.Fatal(err)
	}
	defer sc.Close()
	src, err := NewSource(pid)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(src.Close)
	if src.Runs, err = sc.Scan([]Range{a}, nil); err != nil {
		tb.Fatal(err)
	}
	old, err := sc.scanEntries(a, nil)
	if err != nil {
		tb.Fatal(err)
	}
	if countPages(old) != src.Pages() {
		tb.Fatalf("PAGEMAP_SCAN finds %d pages, the pagemap %d", src.Pages(), countPages(old))
	}
	return src
}

func checkContent(t *testing.T, c *Copier, src *Source, a Range) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "pages")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := c.WriteTo(src, f); err != nil {
		t.Fatal(err)
	}
	f.Seek(0, io.SeekStart)
	got, err := io.ReadAll(f)
	if err != nil || uint64(len(got)) != src.Pages()*PageSize {
		t.Fatalf("%d bytes for %d pages, %v", len(got), src.Pages(), err)
	}
	found := 0
	for _, r := range src.Runs {
		for p := r.Start; p < r.End(); p += PageSize {
			if v := binary.NativeEndian.Uint64(got); v != p-a.Start+1 {
				t.Fatalf("page %#x begins with %#x", p-a.Start, v)
			}
			if !bytes.Equal(got[8:PageSize], make([]byte, PageSize-8)) {
				t.Fatalf("page %#x has other bytes", p-a.Start)
			}
			got = got[PageSize:]
			found++
		}
	}
	pages := int(a.End-a.Start) / int(PageSize)
	if want := pages - (pages+3)/7; found != want {
		t.Fatalf("%d pages, want %d", found, want)
	}
}

func TestCopy(t *testing.T) {
	pid, area := startTarget(t, 24)
	src := newSource(t, pid, area)
	buf, err := NewBuffer(src.Pages()*PageSize, src.Pages()*PageSize, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer buf.Free()
	c, err := NewCopier(2, buf, nil, len(src.Runs))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	if err := c.Copy([]*Source{src}); err != nil {
		t.Fatal(err)
	}
	checkContent(t, c, src, area)
	srcs := []*Source{src}
	if n := testing.AllocsPerRun(3, func() {
		if err := c.Copy(srcs); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Fatalf("%v allocations in a copy", n)
	}
}

func TestCopyBeyondTheLimit(t *testing.T) {
	pid, area := startTarget(t, 24)
	src := newSource(t, pid, area)
	const limit = 8 << 20
	buf, err := NewBuffer(limit, limit, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer buf.Free()
	spill, err := NewSpill(t.TempDir(), limit)
	if err != nil {
		t.Fatal(err)
	}
	defer spill.Close()
	c, err := NewCopier(2, buf, spill, len(src.Runs))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	if err := c.Copy([]*Source{src}); err != nil {
		t.Fatal(err)
	}
	checkContent(t, c, src, area)
}

func TestPlanCoversEveryByteOnce(t *testing.T) {
	f := func(sizes []uint64) {
		s := &Source{}
		at := uint64(0x1000)
		for _, n := range sizes {
			s.Runs = append(s.Runs, Run{at, n})
			at += (n + 1) * PageSize
		}
		next := uint64(100)
		i, skip := 0, uint64(0)
		for _, k := range planChunks(nil, s, 100) {
			if k.off != next || k.bytes == 0 || k.bytes > chunkBytes || k.first != i || k.skip != skip || k.last-k.first >= chunkRuns {
				t.Fatalf("chunk %+v, want offset %d run %d skip %d", k, next, i, skip)
			}
			next += k.bytes
			for left := k.bytes; left > 0; {
				n := min(left, s.Runs[i].Bytes()-skip)
				skip += n
				left -= n
				if skip == s.Runs[i].Bytes() {
					i, skip = i+1, 0
				}
			}
		}
		if next != 100+s.Pages()*PageSize {
			t.Fatalf("chunks end at %d of %d", next, 100+s.Pages()*PageSize)
		}
	}
	f([]uint64{1})
	f([]uint64{1024})
	f([]uint64{1025, 1, 4096, 3})
	many := make([]uint64, 5000)
	for i := range many {
		many[i] = uint64(i%5 + 1)
	}
	f(many)
}

func FuzzDecodeEntries(f *testing.F) {
	f.Add(binary.NativeEndian.AppendUint64(nil, pmPresent))
	f.Fuzz(func(t *testing.T, b []byte) {
		runs := decodeEntries(b, 0x10000, 0, nil)
		if countPages(runs) > uint64(len(b)/8) {
			t.Fatal("more pages than entries")
		}
		for i := 1; i < len(runs); i++ {
			if runs[i].Start <= runs[i-1].End() {
				t.Fatal("runs touch or overlap")
			}
		}
	})
}

func BenchmarkCopy(b *testing.B) {
	const mib = 256
	pid, area := startTarget(b, mib)
	src := newSource(b, pid, area)
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("mib=%d/workers=%d", mib, workers), func(b *testing.B) {
			buf, err := NewBuffer(mib<<20, mib<<20, 2)
			if err != nil {
				b.Fatal(err)
			}
			defer buf.Free()
			c, err := NewCopier(workers, buf, nil, len(src.Runs))
			if err != nil {
				b.Fatal(err)
			}
			defer c.Stop()
			b.SetBytes(int64(src.Pages() * PageSize))
			for b.Loop() {
				if err := c.Copy([]*Source{src}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	pid, area := startTarget(b, 256)
	sc, err := NewScanner(pid)
	if err != nil {
		b.Fatal(err)
	}
	defer sc.Close()
	runs := make([]Run, 0, 1<<20)
	for b.Loop() {
		if runs, err = sc.Scan([]Range{area}, runs[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
