package images

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
	"github.com/fastcr/fastcr/memory"
)

// fakePages are pages whose bytes are all alike.
type fakePages struct {
	runs   []memory.Run
	guards []memory.Range
}

func (f fakePages) Runs(int) []memory.Run           { return f.runs }
func (f fakePages) Guards(int) []memory.Range       { return f.guards }
func (f fakePages) WriteTo(_ int, w *os.File) error { return writeRuns(f.runs)(w) }

func writeRuns(runs []memory.Run) func(*os.File) error {
	return func(w *os.File) error {
		for _, r := range runs {
			if _, err := w.Write(bytes.Repeat([]byte{0xa5}, int(r.Bytes()))); err != nil {
				return err
			}
		}
		return nil
	}
}

const pageBase = 0x10000

// sampleTree is one process with every kind of mapping that has a case of its own.
func sampleTree() (*fastcr.Tree, EncodeOptions) {
	reg := fastcr.PathRef{Path: "/bin/x", Mode: unix.S_IFREG | 0o755, Size: 100, Dev: 1, Ino: 2, Nlink: 1}
	dir := fastcr.PathRef{Path: "/", Mode: unix.S_IFDIR | 0o755, Dev: 1, Ino: 1, Nlink: 2}
	mem := fastcr.PathRef{Path: "/memfd:m", Mode: unix.S_IFREG | 0o777, Size: 4096, Dev: 9, Ino: 7, Deleted: true}
	zero := fastcr.PathRef{Path: "/dev/zero", Mode: unix.S_IFREG | 0o777, Size: 4096, Dev: 9, Ino: 8, Deleted: true}
	huge := fastcr.PathRef{Path: "/anon_hugepage", Mode: unix.S_IFREG | 0o777, Size: 2 << 20, Dev: 10, Ino: 9, Deleted: true}
	file := &fastcr.File{ID: 1, Kind: fastcr.KindMemfd, Flags: unix.O_RDWR, Path: mem, Detail: &fastcr.Memfd{Name: "m", Seals: 6}}
	rw := fastcr.VMRead | fastcr.VMWrite | fastcr.VMMayWrite
	shared := rw | fastcr.VMShared | fastcr.VMMayShare
	id := fastcr.ShmID{Dev: 9, Ino: 7}
	pipe := &fastcr.File{ID: 2, Kind: fastcr.KindPipe, Path: fastcr.PathRef{Path: "pipe:[55]", Ino: 55}, Detail: &fastcr.Pipe{ID: 55, RingSize: 65536}}
	gone := &fastcr.File{ID: 3, Kind: fastcr.KindRegular, Flags: unix.O_RDWR, Path: fastcr.PathRef{
		Path: "/tmp/gone", Deleted: true, Mode: unix.S_IFREG | 0o600, Size: 100, Dev: 1, Ino: 77}}
	content := &fastcr.GhostContent{Extents: []fastcr.GhostExtent{{Off: 90, Data: []byte("at the end")}}}
	p := &fastcr.Process{
		PID: 100, PGID: 100, SID: 100, State: fastcr.TaskAlive, Comm: "x", MMID: 1, FilesID: 2, FSID: 3, SighandID: 4,
		MM: &fastcr.MM{Auxv: make([]uint64, 46), StartBrk: 1 << 40, Brk: 1 << 40}, Exe: reg, CWD: dir, Root: dir,
		Threads: []*fastcr.Thread{{TID: 100, Comm: "x"}, {TID: 101, Comm: "y", Blocked: 5}},
		Files:   []fastcr.FD{{Num: 3, CloExec: true, File: file}, {Num: 4, File: pipe}, {Num: 5, File: gone}},
		VMAs: []fastcr.VMA{
			{Start: pageBase, End: pageBase + 0x2000, Flags: rw, Kind: fastcr.VMAAnonPrivate},
			{Start: pageBase + 0x2000, End: pageBase + 0x4000, Flags: rw | fastcr.VMLocked, Kind: fastcr.VMAAnonPrivate},
			{Start: 0x20000, End: 0x21000, Flags: shared, Kind: fastcr.VMAMemfd, Path: mem, Shm: id},
			{Start: 0x22000, End: 0x23000, Flags: rw, Kind: fastcr.VMAMemfd, Path: mem, Shm: id},
			{Start: 0x200000, End: 0x400000, Flags: rw | fastcr.VMHugeTLB, Kind: fastcr.VMAHugetlbAnon, HugePage: 2 << 20},
			{Start: 0x500000, End: 0x501000, Flags: rw | fastcr.VMDroppable, Kind: fastcr.VMAAnonPrivate},
			{Start: 0x502000, End: 0x503000, Flags: shared, Kind: fastcr.VMAAnonShared, Path: zero, Shm: zero.Shm()},
			{Start: 0x800000, End: 0xa00000, Flags: shared | fastcr.VMHugeTLB, Kind: fastcr.VMAHugetlbAnon, Path: huge, Shm: huge.Shm(), HugePage: 2 << 20},
			{Start: 0xa00000, End: 0xa01000, Flags: fastcr.VMRead | fastcr.VMMayShare, Kind: fastcr.VMAMemfd, Path: mem, Shm: id},
		},
	}
	runs := []memory.Run{{Start: pageBase + 0x1000, Pages: 2}}
	object := []memory.Run{{Pages: 1}}
	return &fastcr.Tree{Processes: []*fastcr.Process{p}, Files: []*fastcr.File{file, pipe, gone}}, EncodeOptions{
		Pages:  fakePages{runs, []memory.Range{{Start: 0x600000, End: 0x601000}}},
		Shared: []Shared{{zero.Shm(), nil, writeRuns(nil)}, {id, object, writeRuns(object)}, {huge.Shm(), object, writeRuns(object)}},
		Pipes:  map[uint64]*fastcr.PipeContent{55: {Data: []byte("in the pipe")}},
		Ghosts: map[[2]uint64]*fastcr.GhostContent{{1, 77}: content},
	}
}

// encoded writes a tree's images and returns their directory.
func encoded(t testing.TB, tree *fastcr.Tree, opts EncodeOptions) string {
	t.Helper()
	dir := t.TempDir()
	d, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Abort()
	if err := NewEncoder(tree, opts).WriteAll(d); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// decode reads all messages of one kind from an image.
func decode[M any, P interface {
	*M
	message
}](t *testing.T, dir, name string, magic uint32) (out []P) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	in, err := newReader(bytes.NewReader(b), magic)
	if err != nil {
		t.Fatal(err)
	}
	for {
		m := P(new(M))
		if err := in.next(m); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
}

func TestMappings(t *testing.T) {
	tree, opts := sampleTree()
	dir := encoded(t, tree, opts)
	m := decode[pb.MmEntry](t, dir, "mm-100.img", magicMM)[0]
	if n := len(m.MmSavedAuxv); n != maxAuxv {
		t.Errorf("%d words of auxv, criu takes %d", n, maxAuxv)
	}
	const private, anon, hugetlb = unix.MAP_PRIVATE, unix.MAP_ANONYMOUS, unix.MAP_HUGETLB
	for i, want := range []struct{ flags, status uint32 }{
		{private | anon, vmaRegular | vmaAnonPrivate},
		{private | anon | unix.MAP_LOCKED, vmaRegular | vmaAnonPrivate},
		{unix.MAP_SHARED, vmaRegular | vmaFileShared | vmaMemfd},
		{private, vmaRegular | vmaFilePrivate | vmaMemfd},
		{private | anon | hugetlb | 21<<26, vmaRegular | vmaAnonPrivate},
		{8 | anon, vmaRegular | vmaAnonPrivate},
		{unix.MAP_SHARED, vmaRegular | vmaFileShared | vmaMemfd},
		{unix.MAP_SHARED | hugetlb | 21<<26, vmaRegular | vmaFileShared | vmaMemfd},
		{unix.MAP_SHARED, vmaRegular | vmaFileShared | vmaMemfd},
		{0, vmaGuard},
	} {
		v := m.Vmas[i]
		if v.GetFlags() != want.flags || v.GetStatus() != want.status {
			t.Errorf("VMA %d: flags %#x status %#x, want %#x %#x", i, v.GetFlags(), v.GetStatus(), want.flags, want.status)
		}
	}
}

// Every mapping of an object, and every open file of it, names the one inode; an inode has a pagemap.
func TestMemfdIsOneInode(t *testing.T) {
	tree, opts := sampleTree()
	dir := encoded(t, tree, opts)
	inodes := decode[pb.MemfdInodeEntry](t, dir, "memfd.img", magicMemfd)
	for i, want := range []struct {
		name           string
		seals, hugetlb uint32
		pages          uint64
	}{{"m", 6, 0, 1}, {"/dev/zero", unix.F_SEAL_SEAL, 0, 0}, {"/anon_hugepage", unix.F_SEAL_SEAL, unix.MFD_HUGETLB | 21<<26, 1}} {
		in := inodes[i]
		if in.GetName() != want.name || in.GetSeals() != want.seals || in.GetHugetlbFlag() != want.hugetlb || len(inodes) != 3 {
			t.Errorf("inode %d: %v", i, in)
		}
		f, err := os.Open(filepath.Join(dir, fmt.Sprintf("pagemap-shmem-%d.img", in.GetShmid())))
		if err != nil {
			t.Fatal(err)
		}
		if _, n, err := pagesOf(f); err != nil || n != want.pages {
			t.Errorf("%s: %d pages, %v", want.name, n, err)
		}
		f.Close()
	}
	files := map[uint32]*pb.MemfdFileEntry{}
	for _, f := range decode[pb.FileEntry](t, dir, "files.img", magicFiles) {
		files[f.GetId()] = f.GetMemfd()
	}
	for i, v := range decode[pb.MmEntry](t, dir, "mm-100.img", magicMM)[0].Vmas {
		if v.GetStatus()&vmaMemfd == 0 {
			continue
		}
		want := map[uint64]struct{ inode, flags uint32 }{
			0x20000: {1, unix.O_RDWR}, 0x22000: {1, unix.O_RDONLY}, 0x502000: {2, unix.O_RDWR}, 0x800000: {3, unix.O_RDWR}, 0xa00000: {1, unix.O_RDONLY},
		}[v.GetStart()]
		if f := files[uint32(v.GetShmid())]; f == nil || f.GetInodeId() != want.inode || f.GetFlags() != want.flags || v.GetFdflags() != want.flags {
			t.Errorf("VMA %d, opened with %d, is of %v", i, v.GetFdflags(), f)
		}
	}
}

func TestUnreadSharedMemoryIsAnError(t *testing.T) {
	tree, opts := sampleTree()
	opts.Shared = nil
	d, err := Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Abort()
	if err := NewEncoder(tree, opts).WriteAll(d); err == nil {
		t.Error("a memfd was written whose content nobody read")
	}
}

func TestPagesAreSplitWhereLazinessEnds(t *testing.T) {
	tree, opts := sampleTree()
	dir := encoded(t, tree, opts)
	b, err := os.ReadFile(filepath.Join(dir, "pagemap-100.img"))
	if err != nil {
		t.Fatal(err)
	}
	in, err := newReader(bytes.NewReader(b), magicPagemap)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.next(&pb.PagemapHead{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		start uint64
		flags uint32
	}{{pageBase + 0x1000, pagePresent | pageLazy}, {pageBase + 0x2000, pagePresent}} {
		var e pb.PagemapEntry
		if err := in.next(&e); err != nil {
			t.Fatal(err)
		}
		if e.GetVaddr() != want.start || e.GetNrPages() != 1 || e.GetFlags() != want.flags {
			t.Errorf("%v, want %#x with flags %d", &e, want.start, want.flags)
		}
	}
}

func TestOnlyTheLeaderHasTheProcess(t *testing.T) {
	tree, opts := sampleTree()
	dir := encoded(t, tree, opts)
	leader := decode[pb.CoreEntry](t, dir, "core-100.img", magicCore)[0]
	other := decode[pb.CoreEntry](t, dir, "core-101.img", magicCore)[0]
	if leader.GetTc() == nil || other.GetTc() != nil {
		t.Errorf("process state: leader %v, thread %v", leader.GetTc() != nil, other.GetTc() != nil)
	}
	if other.GetThreadCore().GetBlkSigset() != 5 {
		t.Errorf("blocked mask of the thread: %d", other.GetThreadCore().GetBlkSigset())
	}
}

func TestPagesThatWereNotWrittenAreAnError(t *testing.T) {
	tree, opts := sampleTree()
	opts.Shared[1].Data = func(*os.File) error { return nil }
	d, err := Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Abort()
	if err := NewEncoder(tree, opts).WriteAll(d); err == nil {
		t.Error("a pagemap was written that names more than its pages image has")
	}
}
