package loader

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// startSpeaking starts a child that says what it has made.
func startSpeaking(t testing.TB, mode string, said any) child {
	t.Helper()
	out := filepath.Join(t.TempDir(), "said")
	t.Setenv(childOut, out)
	c := startChild(t, mode)
	b, err := os.ReadFile(out)
	if errors.Is(err, os.ErrNotExist) && said == nil {
		return c
	}
	if err == nil {
		err = json.Unmarshal(b, said)
	}
	if err != nil {
		t.Fatalf("child %s: %v", mode, err)
	}
	return c
}

// smap is one mapping of /proc/PID/smaps.
type smap struct {
	start, end, pgoff, ino uint64
	perms, dev, path       string
	flags                  map[string]bool
}

func readSmaps(t testing.TB, pid int) (maps []smap) {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := sc.Text()
		var m smap
		if n, _ := fmt.Sscanf(line, "%x-%x %s %x %s %d", &m.start, &m.end, &m.perms, &m.pgoff, &m.dev, &m.ino); n == 6 {
			if rest := strings.SplitN(line, " ", 6); len(rest) == 6 {
				_, m.path, _ = strings.Cut(rest[5], " ")
				m.path = strings.TrimLeft(m.path, " ")
			}
			maps = append(maps, m)
		} else if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok {
			last := &maps[len(maps)-1]
			last.flags = map[string]bool{}
			for _, f := range strings.Fields(flags) {
				last.flags[f] = true
			}
		}
	}
	return maps
}

var vmFlagNames = map[uint64]string{
	fastcr.VMRead: "rd", fastcr.VMWrite: "wr", fastcr.VMExec: "ex", fastcr.VMShared: "sh", fastcr.VMMayShare: "ms",
	fastcr.VMMayWrite: "mw", fastcr.VMGrowsDown: "gd", fastcr.VMLocked: "lo", fastcr.VMIO: "io", fastcr.VMPFNMap: "pf",
	fastcr.VMDontCopy: "dc", fastcr.VMDontExpand: "de", fastcr.VMDontDump: "dd", fastcr.VMHugeTLB: "ht",
	fastcr.VMHugePage: "hg", fastcr.VMNoHugePage: "nh", fastcr.VMMergeable: "mg", fastcr.VMWipeOnFork: "wf",
	fastcr.VMSeqRead: "sr", fastcr.VMRandRead: "rr", fastcr.VMNoReserve: "nr", fastcr.VMAccount: "ac",
	fastcr.VMUffdMissing: "um", fastcr.VMUffdWP: "uw", fastcr.VMUffdMinor: "ui", fastcr.VMSealed: "sl",
	fastcr.VMDroppable: "dp", fastcr.VMShadowStack: "ss", fastcr.VMLockOnFault: "lf",
}

// smapsPath is what smaps would show for v.
func smapsPath(p *fastcr.Process, v *fastcr.VMA) string {
	switch {
	case v.File != 0:
		path := strings.ReplaceAll(v.Path.Path, "\n", `\012`)
		if v.Path.Deleted {
			path += deletedSuffix
		}
		return path
	case strings.HasPrefix(v.Name, "["):
		return v.Name
	case v.Start <= p.MM.Brk && v.End >= p.MM.StartBrk:
		return "[heap]"
	case v.Start <= p.MM.StartStack && v.End >= p.MM.StartStack:
		return "[stack]"
	case v.Name != "":
		return "[anon:" + v.Name + "]"
	}
	return ""
}

func compareVMA(t *testing.T, p *fastcr.Process, v *fastcr.VMA, m *smap) {
	t.Helper()
	at := fmt.Sprintf("%x-%x %s", m.start, m.end, m.path)
	if v.Start != m.start || v.End != m.end {
		t.Fatalf("%s: got %x-%x", at, v.Start, v.End)
	}
	if got := smapsPath(p, v); got != m.path {
		t.Errorf("%s: path %q", at, got)
	}
	if v.File != 0 {
		dev := fmt.Sprintf("%02x:%02x", unix.Major(v.Path.Dev), unix.Minor(v.Path.Dev))
		if v.Pgoff != m.pgoff || v.Path.Ino != m.ino || dev != m.dev {
			t.Errorf("%s: offset %x, inode %d, device %s; want %x, %d, %s", at, v.Pgoff, v.Path.Ino, dev, m.pgoff, m.ino, m.dev)
		}
	}
	for bit, name := range vmFlagNames {
		if v.Flags&bit != 0 != m.flags[name] {
			t.Errorf("%s: flag %s is %v", at, name, v.Flags&bit != 0)
		}
	}
	perms := []byte("---p")
	for i, b := range []uint64{fastcr.VMRead, fastcr.VMWrite, fastcr.VMExec, fastcr.VMMayShare} {
		if v.Flags&b != 0 {
			perms[i] = "rwxs"[i]
		}
	}
	if string(perms) != m.perms {
		t.Errorf("%s: %s, want %s", at, perms, m.perms)
	}
}

// Every mapping of a child that has all kinds is as /proc/PID/smaps says.
func TestVMAs(t *testing.T) {
	l := loaded(t)
	var made []madeMap
	c := startSpeaking(t, "maps", &made)
	stop(t, c.pid)
	p := read(t, l, c.pid)
	maps := readSmaps(t, c.pid)
	if len(p.VMAs) != len(maps) {
		t.Fatalf("%d mappings, smaps has %d", len(p.VMAs), len(maps))
	}
	for i := range maps {
		compareVMA(t, p, &p.VMAs[i], &maps[i])
	}
	if len(made) < 28 {
		t.Errorf("the child made only %d mappings", len(made))
	}
	for _, m := range made {
		v := vmaAt(p, m.Addr)
		if v == nil {
			t.Errorf("%s: no mapping at %x", m.What, m.Addr)
			continue
		}
		if v.Kind != m.Kind || v.Name != m.Name || v.Flags&m.Set != m.Set {
			t.Errorf("%s: got %+v, want %+v", m.What, v, m)
		}
	}
	for _, kind := range []fastcr.VMAKind{fastcr.VMAVdso, fastcr.VMAVvar, fastcr.VMAVsyscall} {
		if !hasKind(p, kind) && !(kind == fastcr.VMAVsyscall && !strings.Contains(maps[len(maps)-1].path, "vsyscall")) {
			t.Errorf("no mapping of kind %d", kind)
		}
	}
}

func vmaAt(p *fastcr.Process, addr uint64) *fastcr.VMA {
	for i := range p.VMAs {
		if v := &p.VMAs[i]; v.Start <= addr && addr < v.End {
			return v
		}
	}
	return nil
}

func hasKind(p *fastcr.Process, kind fastcr.VMAKind) bool {
	for i := range p.VMAs {
		if p.VMAs[i].Kind == kind {
			return true
		}
	}
	return false
}

// What the inode of a mapped file says is what stat(2) says.
func TestVMAFile(t *testing.T) {
	l := loaded(t)
	var made []madeMap
	c := startSpeaking(t, "maps", &made)
	stop(t, c.pid)
	p := read(t, l, c.pid)
	seen := 0
	for i := range p.VMAs {
		v := &p.VMAs[i]
		if v.Kind != fastcr.VMAFilePrivate && v.Kind != fastcr.VMAFileShared {
			continue
		}
		var st unix.Stat_t
		if err := unix.Stat(fmt.Sprintf("/proc/%d/map_files/%x-%x", c.pid, v.Start, v.End), &st); err != nil {
			t.Fatal(err)
		}
		compareStat(t, v.Path, &st)
		seen++
	}
	if seen < 8 {
		t.Errorf("only %d mapped files", seen)
	}
}

func compareStat(t *testing.T, p fastcr.PathRef, st *unix.Stat_t) {
	t.Helper()
	want := fastcr.PathRef{
		Path: p.Path, Deleted: p.Deleted, SDev: p.SDev, FSMagic: p.FSMagic, MntID: p.MntID,
		Dev: st.Dev, Ino: st.Ino, Nlink: uint32(st.Nlink), Mode: st.Mode, RDev: st.Rdev, Size: uint64(st.Size),
		UID: st.Uid, GID: st.Gid, Atime: st.Atim.Nano(), Mtime: st.Mtim.Nano(),
	}
	if p != want {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
	if p.Deleted != (st.Nlink == 0) {
		t.Errorf("%s: deleted %v, %d links", p.Path, p.Deleted, st.Nlink)
	}
}

// 21,000 mappings take several reads; a file's description must not get lost between them.
func TestManyVMAs(t *testing.T) {
	l := loaded(t)
	c := startSpeaking(t, "manymaps", nil)
	stop(t, c.pid)
	p := read(t, l, c.pid)
	maps := readSmaps(t, c.pid)
	if len(p.VMAs) != len(maps) || len(maps) < manyMaps {
		t.Fatalf("%d mappings, smaps has %d", len(p.VMAs), len(maps))
	}
	for i := range maps {
		compareVMA(t, p, &p.VMAs[i], &maps[i])
	}
}

func TestDecodeVMAWithoutItsFile(t *testing.T) {
	rec := make([]byte, 64)
	binary.NativeEndian.PutUint32(rec, recVMA)
	binary.NativeEndian.PutUint32(rec[4:], uint32(len(rec)))
	binary.NativeEndian.PutUint32(rec[8:], 1)  // tgid
	binary.NativeEndian.PutUint64(rec[48:], 5) // file
	if err := decodeVMA(rec, newBuilder()); !errors.Is(err, errRecord) {
		t.Errorf("got %v", err)
	}
}

// BenchmarkVMA reads a process with many mappings.
func BenchmarkVMA(b *testing.B) {
	for _, mode := range []struct {
		name string
		vmas int
	}{{"pause", 0}, {"manymaps", manyMaps}} {
		b.Run(fmt.Sprintf("vmas=%d", mode.vmas), func(b *testing.B) {
			l := loaded(b)
			c := startSpeaking(b, mode.name, nil)
			benchmarkStream(b, l, c.pid, "vma")
		})
	}
}

// benchmarkStream reads one source's iterator over and over.
func benchmarkStream(b *testing.B, l *Loader, pid int, name string) {
	s, err := l.NewSession([]int{pid})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Collect(); err != nil {
		b.Fatal(err)
	}
	if err := s.Rearm(); err != nil {
		b.Fatal(err)
	}
	for i := range s.streams {
		st := &s.streams[i]
		if st.src.name != name {
			continue
		}
		for b.Loop() {
			if err := st.read(s); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			b.ReportMetric(float64(st.arena.size()), "bytes")
			st.arena.reset()
			if err := st.readers[0].open(st.progFD); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}
