package memory

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/fastcr/fastcr"
)

func FuzzPlanChunks(f *testing.F) {
	f.Add(uint16(1), uint16(0), uint16(64), []byte{1})
	f.Add(uint16(3), uint16(5), uint16(1024), []byte{200, 1, 7, 255, 255, 3})
	many := make([]byte, 5000)
	for i := range many {
		many[i] = byte(i % 5)
	}
	f.Add(uint16(0), uint16(900), uint16(1000), many)
	f.Fuzz(func(t *testing.T, before, cut, sizePages uint16, runs []byte) {
		s := &Source{off: uint64(before) * PageSize}
		at := PageSize
		for _, n := range runs {
			s.Runs = append(s.Runs, Run{at, uint64(n)*9 + 1})
			at = s.Runs[len(s.Runs)-1].End() + PageSize
		}
		size := (uint64(sizePages) + 1) * PageSize
		cuts := []uint64{uint64(cut) * PageSize, uint64(cut)*PageSize + 5*size}
		checkChunks(t, planChunks(nil, s, size, cuts), s, size, cuts)
	})
}

// checkChunks checks that chunks cover every byte of s once, in order, within their bounds.
func checkChunks(t *testing.T, chunks []chunk, s *Source, size uint64, cuts []uint64) {
	t.Helper()
	next, i, skip := s.off, 0, uint64(0)
	for _, k := range chunks {
		if k.off != next || k.bytes == 0 || k.bytes > size || k.first != i || k.skip != skip || k.last-k.first >= chunkRuns {
			t.Fatalf("chunk %+v, want offset %d run %d skip %d", k, next, i, skip)
		}
		for _, c := range cuts {
			if k.off < c && c < k.off+k.bytes {
				t.Fatalf("chunk %+v crosses %d", k, c)
			}
		}
		for left := k.bytes; left > 0; {
			if i > k.last {
				t.Fatalf("chunk %+v has more bytes than its runs", k)
			}
			n := min(left, s.Runs[i].Bytes()-skip)
			skip += n
			left -= n
			if skip == s.Runs[i].Bytes() {
				i, skip = i+1, 0
			}
		}
		next += k.bytes
	}
	if want := s.off + s.Pages()*PageSize; next != want {
		t.Fatalf("chunks end at %d of %d", next, want)
	}
}

func TestChunkSize(t *testing.T) {
	for _, c := range []struct {
		total   uint64
		workers int
		want    uint64
	}{
		{0, 1, chunkMin}, {1 << 20, 2, chunkMin}, {16 << 20, 2, 1 << 20}, {1 << 30, 2, chunkMax}, {1 << 30, 1024, chunkMin},
		{16<<20 + 16, 2, 1<<20 + PageSize},
	} {
		if got := chunkSize(c.total, c.workers); got != c.want {
			t.Errorf("%d bytes, %d workers: chunks of %d, want %d", c.total, c.workers, got, c.want)
		}
	}
}

func TestClassify(t *testing.T) {
	zero := zeroFrames{page: 77, huge: 1024}
	for _, c := range []struct {
		name  string
		entry uint64
		want  pageClass
	}{
		{"absent", 0, pageSkipped},
		{"present", pmPresent | 5, pageWanted},
		{"zero page", pmPresent | 77, pageSkipped},
		{"huge zero page", pmPresent | 1024 + 511, pageSkipped},
		{"behind the huge zero page", pmPresent | 1024 + 512, pageWanted},
		{"of a file", pmPresent | pmFile | 5, pageSkipped},
		{"swapped", pmSwapped | 3 | 9<<swapOffsetBit, pageWanted},
		{"swapped, the offset of the zero page", pmSwapped | 77, pageWanted},
		{"swapped, frames hidden", pmSwapped, pageWanted},
		{"migrating page of a file", pmSwapped | pmFile | 29, pageSkipped},
		{"guard", pmSwapped | pmGuard | swapMarker, pageGuard},
		{"guard before 6.14", pmSwapped | swapMarker | markerGuard<<swapOffsetBit, pageGuard},
		{"userfaultfd's marker", pmSwapped | pmUffdWP | swapMarker | markerUffdWP<<swapOffsetBit, pageSkipped},
		{"poisoned", pmSwapped | swapMarker | 2<<swapOffsetBit, pageWanted},
		{"protected hugetlb hole", pmUffdWP, pageSkipped},
	} {
		if got := classify(c.entry, zero); got != c.want {
			t.Errorf("%s (%#x): %d, want %d", c.name, c.entry, got, c.want)
		}
	}
	for entry, want := range map[uint64]pageClass{
		0: pageWanted, pmUffdWP: pageSkipped, pmPresent: pageWanted, pmSwapped: pageWanted,
		pmSwapped | swapMarker | markerUffdWP<<swapOffsetBit: pageSkipped,
	} {
		if got := wantedSwapped(entry, zeroFrames{}); got != want {
			t.Errorf("swapped by the scan, %#x in pagemap: %d, want %d", entry, got, want)
		}
	}
}

func FuzzDecodeEntries(f *testing.F) {
	f.Add(binary.NativeEndian.AppendUint64(nil, pmPresent), uint64(1))
	f.Add(binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, pmPresent|1), pmSwapped|pmGuard), uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, zero uint64) {
		runs, guards := decodeEntries(b, 16*PageSize, classify, zeroFrames{page: zero}, nil, nil)
		class := map[uint64]pageClass{}
		for i := range runs {
			if i > 0 && runs[i].Start <= runs[i-1].End() {
				t.Fatal("runs touch or overlap")
			}
			for p := runs[i].Start; p < runs[i].End(); p += PageSize {
				class[p] = pageWanted
			}
		}
		for _, g := range guards {
			for p := g.Start; p < g.End; p += PageSize {
				class[p] = pageGuard
			}
		}
		for i := range len(b) / 8 {
			p := uint64(16+i) * PageSize
			if want := classify(nativeUint64(b[8*i:]), zeroFrames{page: zero}); class[p] != want {
				t.Fatalf("page %d is %d, want %d", i, class[p], want)
			}
			delete(class, p)
		}
		if len(class) > 0 {
			t.Fatalf("pages without entries: %v", class)
		}
	})
}

func FuzzParseMaps(f *testing.F) {
	f.Add([]byte("00400000-00401000 r-xp 00000000 fe:00 123   /bin/x y\n7ffe0000-7fff0000 rw-p 00000000 00:00 0 [stack]\n"))
	f.Add([]byte("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"))
	f.Add([]byte("1-2 rwxp"))
	f.Fuzz(func(t *testing.T, b []byte) {
		areas, err := parseMaps(b, nil)
		if err != nil {
			return
		}
		last := uint64(0)
		for _, a := range areas {
			if a.start < last || a.start >= a.end || a.start%PageSize != 0 {
				t.Fatalf("area %x-%x behind %x", a.start, a.end, last)
			}
			last = a.end
		}
		checkAscending(t, toScan(areas))
	})
}

func checkAscending(t *testing.T, ranges []Range) {
	t.Helper()
	last := uint64(0)
	for _, r := range ranges {
		if r.Start < last || r.Start >= r.End {
			t.Fatalf("range %x-%x behind %x", r.Start, r.End, last)
		}
		last = r.End
	}
}

func TestParseMaps(t *testing.T) {
	areas, err := parseMaps([]byte(`00400000-00401000 r-xp 00000000 fe:00 123                        /usr/bin/a b
01000000-01021000 rw-p 00000000 00:00 0                                  [heap]
02000000-02001000 rw-s 00000000 00:01 7                                  /dev/zero (deleted)
03000000-03001000 ---p 00000000 00:00 0 
04000000-04200000 rw-p 00000000 00:0f 9                                  /anon_hugepage (deleted)
05000000-05001000 rw-p 00000000 00:00 0                                  [anon: arena]
06000000-06002000 rw-s 00000000 00:0e 5                                  /[aio] (deleted)
07000000-07004000 r--p 00000000 00:00 0                                  [vvar]
07004000-07006000 r--p 00000000 00:00 0                                  [vvar_vclock]
07006000-07008000 r-xp 00000000 00:00 0                                  [vdso]
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []areaClass
	for _, a := range areas {
		got = append(got, a.class)
	}
	want := []areaClass{areaMixed, areaAnonymous, areaShared, areaAnonymous, areaAnonymous, areaAnonymous, areaWhole,
		areaNever, areaNever, areaWhole}
	if !slices.Equal(got, want) {
		t.Fatalf("classes %v, want %v", got, want)
	}
	for _, bad := range []string{"x", "1000", "1000-2000", "2000-1000 rw-p 0 0 0", "1001-2000 rw-p 0 0 0"} {
		if _, err := parseMaps([]byte(bad), nil); err == nil {
			t.Errorf("%q is a mapping", bad)
		}
	}
}

func vma(start, mib uint64, kind fastcr.VMAKind, flags uint64) fastcr.VMA {
	return fastcr.VMA{Start: start << 20, End: (start + mib) << 20, Kind: kind, Flags: flags}
}

// A private mapping of a memfd has pages of its own; those of a shared one are the memfd's.
func TestClassOfMemfds(t *testing.T) {
	for _, c := range []struct {
		kind  fastcr.VMAKind
		flags uint64
		want  areaClass
	}{
		{fastcr.VMAMemfd, 0, areaMixed}, {fastcr.VMAMemfd, fastcr.VMHugeTLB, areaMixed},
		{fastcr.VMAMemfd, fastcr.VMShared | fastcr.VMMayShare, areaShared}, {fastcr.VMAMemfd, fastcr.VMMayShare, areaShared},
		{fastcr.VMAHugetlbAnon, fastcr.VMHugeTLB, areaAnonymous}, {fastcr.VMAHugetlbAnon, fastcr.VMShared | fastcr.VMMayShare, areaShared},
	} {
		if got := classOf(&fastcr.VMA{Kind: c.kind, Flags: c.flags}); got != c.want {
			t.Errorf("kind %d, flags %#x: class %d, want %d", c.kind, c.flags, got, c.want)
		}
	}
}

func TestAreas(t *testing.T) {
	m := func(mib uint64) uint64 { return mib << 20 }
	vmas := []fastcr.VMA{
		vma(1, 1, fastcr.VMAFilePrivate, 0),
		vma(2, 3, fastcr.VMAAnonPrivate, 0), vma(6, 3, fastcr.VMAAnonPrivate, 0), // 6 MiB, and free memory between
		vma(10, 100, fastcr.VMAAnonShared, fastcr.VMShared),
		vma(111, 1, fastcr.VMAAnonPrivate, 0), // not worth a call of its own
		vma(112, 1, fastcr.VMAAnonPrivate, fastcr.VMDroppable),
		vma(200, 1, fastcr.VMAVvar, fastcr.VMPFNMap), vma(201, 1, fastcr.VMAVdso, 0),
	}
	want := []Range{
		{0, m(2), KindMixed}, {m(2), m(10), KindAnonymous}, {m(110), m(112), KindMixed}, {m(113), m(200), KindMixed},
		{m(201), m(202), KindWhole}, {m(202), TaskSize, KindMixed},
	}
	if got := Areas(vmas); !slices.Equal(got, want) {
		t.Fatalf("areas\n%x, want\n%x", got, want)
	}
	if got := Areas(nil); !slices.Equal(got, []Range{{0, TaskSize, KindMixed}}) {
		t.Fatalf("areas of nothing: %x", got)
	}
}

// Whatever the mappings: areas ascend, leave out no private one, and have none that must not be read.
func FuzzAreas(f *testing.F) {
	f.Add([]byte{0, 1, 0, 4, 9, 1, 7, 1, 1, 0, 5, 5})
	f.Fuzz(func(t *testing.T, b []byte) {
		var vmas []fastcr.VMA
		for at := uint64(1); len(b) >= 3; b = b[3:] {
			at += uint64(b[0] % 8)
			v := vma(at, uint64(b[1]%8)+1, fastcr.VMAKind(b[2]%14), 0)
			if b[2]&0x80 != 0 {
				v.Flags |= fastcr.VMShared
			}
			vmas, at = append(vmas, v), v.End>>20
		}
		areas := Areas(vmas)
		checkAscending(t, areas)
		if err := (&Source{}).Confine(vmas, areas); err != nil {
			t.Fatal(err)
		}
		for i := range vmas {
			if v := &vmas[i]; classOf(v) == areaNever && covers(areas, v.Start, v.Start+PageSize, false) {
				t.Fatalf("mapping %x-%x of kind %d is scanned", v.Start, v.End, v.Kind)
			}
		}
	})
}

func TestConfine(t *testing.T) {
	const mib = 1 << 20
	vmas := []fastcr.VMA{vma(1, 1, fastcr.VMAAnonPrivate, 0), vma(3, 1, fastcr.VMAFilePrivate, 0), vma(5, 1, fastcr.VMAVdso, 0)}
	areas := Areas(vmas)
	per := mib / PageSize
	s := &Source{PID: 7, off: 10 * mib, Runs: []Run{{mib, per}, {3*mib - PageSize, 4}, {5 * mib, per}}}
	if err := s.Confine(vmas, areas); err != nil {
		t.Fatal(err)
	}
	if want := []Run{{mib, per}, {3 * mib, 3}, {5 * mib, per}}; !slices.Equal(s.Runs, want) {
		t.Fatalf("runs %x, want %x", s.Runs, want)
	}
	if want := []span{{10 * mib, mib}, {11*mib + PageSize, mib + 3*PageSize}}; !slices.Equal(s.kept, want) {
		t.Fatalf("spans %x, want %x", s.kept, want)
	}
	// A mapping became shared: its pages are the object's now.
	vmas[0].Kind, vmas[0].Flags = fastcr.VMAAnonShared, fastcr.VMShared
	s.Runs, s.off = []Run{{mib, 1}}, 0
	if err := s.Confine(vmas, areas); err != nil || len(s.Runs) != 0 || len(s.kept) != 0 {
		t.Fatalf("%x, %x, %v", s.Runs, s.kept, err)
	}
	// The vdso moved, or a private mapping is where nothing was scanned.
	moved := []fastcr.VMA{vma(5, 1, fastcr.VMAAnonPrivate, 0), vma(6, 1, fastcr.VMAVdso, 0)}
	if err := s.Confine(moved, areas); !errors.Is(err, ErrChanged) {
		t.Fatalf("the vdso moved: %v", err)
	}
}
