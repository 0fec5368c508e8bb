package images

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/memory"
)

func treeOf(files ...*fastcr.File) *fastcr.Tree {
	p := &fastcr.Process{PID: 7, State: fastcr.TaskAlive, FilesID: 1, Threads: []*fastcr.Thread{{TID: 7}}}
	for i, f := range files {
		f.ID = fastcr.KObj(i + 1)
		p.Files = append(p.Files, fastcr.FD{Num: i, File: f})
	}
	return &fastcr.Tree{Processes: []*fastcr.Process{p}, Files: files}
}

func terminal(major, minor, index uint32) *fastcr.File {
	return &fastcr.File{Kind: fastcr.KindTTY, Path: fastcr.PathRef{RDev: unix.Mkdev(major, minor)}, Detail: &fastcr.TTY{Index: index}}
}

func TestUnfit(t *testing.T) {
	pipe := func(flags uint32, p fastcr.Pipe) *fastcr.File {
		return &fastcr.File{Kind: fastcr.KindPipe, Flags: flags, Detail: &p}
	}
	unixSocket := func(u fastcr.UnixSocket) *fastcr.File {
		return &fastcr.File{Kind: fastcr.KindUnixSocket, Detail: &u}
	}
	plain := func(flags uint32, path string, fs uint64) *fastcr.File {
		return &fastcr.File{Kind: fastcr.KindRegular, Flags: flags, Path: fastcr.PathRef{Path: path, Deleted: true, FSMagic: fs, Mode: unix.S_IFREG}}
	}
	for _, c := range []struct {
		name string
		tree *fastcr.Tree
		want string // "": fits
	}{
		{"empty packet pipe", treeOf(pipe(unix.O_DIRECT, fastcr.Pipe{})), ""},
		{"packets", treeOf(pipe(unix.O_DIRECT, fastcr.Pipe{Packets: true})), "boundaries"},
		{"packet pipe by name", treeOf(pipe(unix.O_DIRECT|openedByName, fastcr.Pipe{})), "opened by a name"},
		{"notifications", treeOf(pipe(0, fastcr.Pipe{WatchQueue: true})), "notifications"},
		{"pidfd passing", treeOf(unixSocket(fastcr.UnixSocket{Type: unix.SOCK_DGRAM, Options: fastcr.SocketOptions{Passpidfd: true}})), "SO_PASSPIDFD"},
		{"peeking at an offset", treeOf(unixSocket(fastcr.UnixSocket{Options: fastcr.SocketOptions{PeekOff: true}})), "SO_PEEK_OFF"},
		{"timestamps", treeOf(unixSocket(fastcr.UnixSocket{Options: fastcr.SocketOptions{Timestamping: true}})), "SO_TIMESTAMPING"},
		{"urgent data", treeOf(unixSocket(fastcr.UnixSocket{OOB: true})), "MSG_OOB"},
		{"eBPF filter", treeOf(unixSocket(fastcr.UnixSocket{Options: fastcr.SocketOptions{Filter: 5}})), "SO_ATTACH_BPF"},
		{"FIFO in packet mode", treeOf(&fastcr.File{Kind: fastcr.KindFIFO, Flags: unix.O_DIRECT, Detail: &fastcr.Pipe{}}), "opened by a name"},
		{"pty pair", treeOf(terminal(majorTTYAux, 2, 4), terminal(majorPts, 4, 4)), ""},
		{"pty 1001", treeOf(terminal(majorTTYAux, 2, 1001)), "pty 1001"},
		{"serial port", treeOf(terminal(majorVT, 64, 0)), "4:64"},
		{"O_PATH of a memfd", treeOf(plain(unix.O_PATH, "/memfd:x", tmpfsMagic)), "O_PATH"},
		{"O_PATH of a pipe", treeOf(plain(unix.O_PATH, "pipe:[7]", 0)), "O_PATH"},
		{"O_PATH of a deleted file", treeOf(plain(unix.O_PATH, "/tmp/x", tmpfsMagic)), ""},
		{"deleted", treeOf(plain(0, "/huge/x", hugetlbMagic)), "hugetlbfs"},
		{"closed epoll watch", treeOf(&fastcr.File{Detail: &fastcr.Epoll{Watches: []fastcr.EpollWatch{{FD: 3, File: 99}}}}), "watches descriptor 3"},
	} {
		var text []string
		for _, err := range Unfit(c.tree, c.tree.Processes) {
			var refused *fastcr.RefusedError
			if !errors.As(err, &refused) || refused.PID != 7 {
				t.Errorf("%s: %v does not name pid 7", c.name, err)
			}
			text = append(text, err.Error())
		}
		switch all := strings.Join(text, "\n"); {
		case c.want == "" && all != "":
			t.Errorf("%s: refused: %s", c.name, all)
		case c.want != "" && !strings.Contains(all, c.want):
			t.Errorf("%s: %q, want %q", c.name, all, c.want)
		}
	}
}

func TestWatchedFDs(t *testing.T) {
	a, b := &fastcr.File{ID: 1}, &fastcr.File{ID: 2}
	table := &fdTable{fds: []fastcr.FD{{Num: 3, File: a}, {Num: 4, File: b}, {Num: 5, File: a}}}
	watch := func(fd int, f *fastcr.File) fastcr.EpollWatch { return fastcr.EpollWatch{FD: fd, File: f.ID} }
	for _, c := range []struct {
		name    string
		watches []fastcr.EpollWatch
		want    []int // nil: cannot be restored
	}{
		{"as they were", []fastcr.EpollWatch{watch(4, b), watch(3, a)}, []int{4, 3}},
		{"the number was reused", []fastcr.EpollWatch{watch(4, a)}, []int{3}},
		{"the number was closed", []fastcr.EpollWatch{watch(9, b)}, []int{4}},
		{"two by one file", []fastcr.EpollWatch{watch(9, a), watch(3, a)}, []int{5, 3}},
		{"more watches than descriptors", []fastcr.EpollWatch{watch(9, b), watch(4, b)}, nil},
		{"the file is gone", []fastcr.EpollWatch{{FD: 3, File: 77}}, nil},
	} {
		got, err := watchedFDs(table, c.watches)
		if (err != nil) != (c.want == nil) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	if _, err := watchedFDs(nil, []fastcr.EpollWatch{watch(3, a)}); err == nil {
		t.Error("a file of no table is watched by a descriptor")
	}
}

// A table that processes share is restored by the lowest pid that has it.
func TestHolders(t *testing.T) {
	f := &fastcr.File{ID: 5}
	high := []fastcr.FD{{Num: 1, File: f}}
	low := []fastcr.FD{{Num: 2, File: f}}
	tree := &fastcr.Tree{Processes: []*fastcr.Process{
		{PID: 30, State: fastcr.TaskAlive, FilesID: 1, Files: high},
		{PID: 20, State: fastcr.TaskAlive, FilesID: 2, Files: low},
		{PID: 10, State: fastcr.TaskAlive, FilesID: 1}, // shares the first one's
	}}
	if got := holders(tree)[f.ID].fds; len(got) != 1 || got[0].Num != 1 {
		t.Errorf("restored from %v, want the table of pid 10", got)
	}
}

func TestUnfitThreadsAndMappings(t *testing.T) {
	tree := treeOf()
	p := tree.Processes[0]
	p.Threads = append(p.Threads, &fastcr.Thread{TID: 8, Policy: schedDeadline}, &fastcr.Thread{TID: 9, Policy: schedExt})
	p.VMAs = []fastcr.VMA{{Start: 0x1000, End: 0x2000, Kind: fastcr.VMAFileShared,
		Path: fastcr.PathRef{Path: "/huge/x", Deleted: true, FSMagic: hugetlbMagic, Mode: unix.S_IFREG}}}
	for i, want := range []string{"pid 8: is scheduled by deadline", "pid 9: is scheduled by a BPF", "1000-2000 /huge/x"} {
		if found := Unfit(tree, tree.Processes); len(found) != 3 || !strings.Contains(found[i].Error(), want) {
			t.Errorf("%v, want %q", found, want)
		}
	}
	p.Threads, p.VMAs, p.MM = nil, nil, &fastcr.MM{MDWE: true, LockFuture: true}
	if found := Unfit(tree, tree.Processes); len(found) != 2 || !strings.Contains(found[0].Error(), "PR_SET_MDWE") || !strings.Contains(found[1].Error(), "MCL_FUTURE") {
		t.Errorf("%v", found)
	}
	if found := Unfit(tree, nil); len(found) != 0 {
		t.Errorf("of no process: %v", found)
	}
}

// One shmat(2) attaches the whole of a segment.
func TestUnfitAttachments(t *testing.T) {
	size := 3*memory.PageSize - 100
	at := func(page, pages, pgoff, flags uint64) fastcr.VMA {
		return fastcr.VMA{Start: page * memory.PageSize, End: (page + pages) * memory.PageSize, Pgoff: pgoff * memory.PageSize, Flags: flags,
			Kind: fastcr.VMASysVShm, File: 5, Path: fastcr.PathRef{Path: "/SYSV00000000", Ino: 17, Size: size}}
	}
	other := func(v fastcr.VMA) fastcr.VMA { v.File++; return v }
	rw, ro := fastcr.VMRead|fastcr.VMWrite, fastcr.VMRead
	for name, c := range map[string]struct {
		vmas []fastcr.VMA
		want string // "": fits
	}{
		"whole":                    {[]fastcr.VMA{at(1, 3, 0, rw)}, ""},
		"protected":                {[]fastcr.VMA{at(1, 1, 0, rw), at(2, 1, 1, ro), at(3, 1, 2, rw)}, ""},
		"side by side":             {[]fastcr.VMA{at(1, 3, 0, rw), other(at(4, 3, 0, ro))}, ""},
		"without its end":          {[]fastcr.VMA{at(1, 2, 0, rw)}, "not the whole"},
		"without its beginning":    {[]fastcr.VMA{at(2, 2, 1, rw)}, "not the whole"},
		"without its middle":       {[]fastcr.VMA{at(1, 1, 0, rw), at(3, 1, 2, rw)}, "not the whole"},
		"beyond its end":           {[]fastcr.VMA{at(1, 4, 0, rw)}, "not the whole"},
		"in another order":         {[]fastcr.VMA{at(1, 1, 0, rw), at(2, 1, 2, rw), at(3, 1, 1, rw)}, "not the whole"},
		"joined of two":            {[]fastcr.VMA{at(1, 1, 0, rw), other(at(2, 2, 1, rw))}, "not the whole"},
		"executable in its middle": {[]fastcr.VMA{at(1, 1, 0, rw), at(2, 2, 1, ro|fastcr.VMExec)}, "execution"},
		"locked":                   {[]fastcr.VMA{at(1, 3, 0, rw|fastcr.VMLocked)}, "mlock"},
	} {
		tree := treeOf()
		tree.Processes[0].VMAs = c.vmas
		switch found := errors.Join(Unfit(tree, tree.Processes)...); {
		case c.want == "" && found != nil:
			t.Errorf("%s: refused: %v", name, found)
		case c.want != "" && (found == nil || !strings.Contains(found.Error(), c.want) || !strings.Contains(found.Error(), "memory 17")):
			t.Errorf("%s: %v, want %q", name, found, c.want)
		}
	}
}

// The restorer takes the segment and the way to attach it from fd and prot.
func TestAttachment(t *testing.T) {
	v := fastcr.VMA{Start: 0x1000, End: 0x3000, Kind: fastcr.VMASysVShm, Flags: fastcr.VMRead | fastcr.VMMayWrite | fastcr.VMMayShare, Path: fastcr.PathRef{Ino: 17}}
	for _, c := range []struct {
		pgoff    uint64
		readOnly bool
		fd       int64
		prot     uint32
	}{
		{0, false, 17, unix.PROT_READ | unix.PROT_EXEC}, {0, true, 17, unix.PROT_READ}, {0x1000, false, attached, unix.PROT_READ},
	} {
		if v.Pgoff = c.pgoff; c.readOnly {
			v.Flags &^= fastcr.VMMayWrite
		}
		got, err := newEncoder(treeOf(), EncodeOptions{}).vma(&fastcr.Process{}, &v)
		if err != nil || got.GetFd() != c.fd || got.GetProt() != c.prot || got.GetShmid() != 17 || got.GetStatus() != vmaRegular|vmaSysVShm || got.GetFlags() != unix.MAP_SHARED {
			t.Errorf("at offset %#x, read only %v: %v, %v", c.pgoff, c.readOnly, got, err)
		}
		v.Flags |= fastcr.VMMayWrite
	}
}

// What a restore would set off or bring early is written in another way.
func TestTimerfds(t *testing.T) {
	const sec = nsecPerSec
	for _, c := range []struct {
		name               string
		flags              uint32
		left               uint64
		wantFlags          uint32
		wantSec, wantNanos uint64
	}{
		{"relative", 0, 5*sec + 7, 0, 5, 7},
		{"absolute", timerAbstime, 5*sec + 7, 0, 5, 7},
		{"cancelled when the clock is set", timerAbstime | timerCancelOnSet, 5*sec + 7, timerAbstime | timerCancelOnSet, 6, 7},
		{"disarmed", timerAbstime, 0, 0, 0, 0},
	} {
		tree := treeOf(&fastcr.File{Kind: fastcr.KindTimerfd, Detail: &fastcr.Timerfd{Flags: c.flags, Value: c.left}})
		files := newFileTable(tree, EncodeOptions{})
		if _, _, err := files.file(tree.Files[0]); err != nil {
			t.Fatal(err)
		}
		got := files.entries[0].GetTfd()
		if got.GetSettimeFlags() != c.wantFlags || got.GetVsec() != c.wantSec || got.GetVnsec() != c.wantNanos {
			t.Errorf("%s: flags %d, %d s %d ns", c.name, got.GetSettimeFlags(), got.GetVsec(), got.GetVnsec())
		}
	}
}
