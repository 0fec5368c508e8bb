package images

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/memory"
)

// BenchmarkEncode writes the images of a tree of a given size, after the thaw, to a tmpfs.
func BenchmarkEncode(b *testing.B) {
	for _, c := range []struct {
		part string
		n    int
		add  func(t *fastcr.Tree, i int)
	}{
		{"threads", 1000, func(t *fastcr.Tree, i int) {
			p := t.Processes[0]
			p.Threads = append(p.Threads, &fastcr.Thread{TID: p.PID + i + 1, Comm: "thread"})
		}},
		{"vmas", 10000, func(t *fastcr.Tree, i int) {
			rw, start := fastcr.VMRead|fastcr.VMWrite|fastcr.VMMayWrite, pageBase+uint64(i)*2*memory.PageSize
			t.Processes[0].VMAs = append(t.Processes[0].VMAs, fastcr.VMA{Start: start, End: start + memory.PageSize, Flags: rw, Kind: fastcr.VMAAnonPrivate})
		}},
		{"fds", 5000, addFile},
		{"epolls", 2500, addEpoll},
		{"procs", 100, func(t *fastcr.Tree, i int) { t.Processes = append(t.Processes, plainProcess(200+i)) }},
	} {
		b.Run(fmt.Sprintf("%s=%d", c.part, c.n), func(b *testing.B) {
			tree := &fastcr.Tree{Processes: []*fastcr.Process{plainProcess(100)}}
			for i := range c.n {
				c.add(tree, i)
			}
			benchEncode(b, tree)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.n), "ns/"+c.part[:len(c.part)-1])
		})
	}
}

func benchEncode(b *testing.B, tree *fastcr.Tree) {
	path, err := os.MkdirTemp("/dev/shm", "fastcr-bench-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(path)
	for b.Loop() {
		b.StopTimer()
		d, err := Create(path)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := NewEncoder(tree, EncodeOptions{Pages: fakePages{}}).WriteAll(d); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		d.Abort()
		b.StartTimer()
	}
}

func plainProcess(pid int) *fastcr.Process {
	dir := fastcr.PathRef{Path: "/", Mode: unix.S_IFDIR | 0o755, Dev: 1, Ino: 1, Nlink: 2}
	return &fastcr.Process{
		PID: pid, PGID: pid, SID: pid, State: fastcr.TaskAlive, Comm: "x", MMID: fastcr.KObj(pid), FilesID: fastcr.KObj(pid), FSID: fastcr.KObj(pid),
		SighandID: fastcr.KObj(pid), MM: &fastcr.MM{Auxv: make([]uint64, 46)}, CWD: dir, Root: dir,
		Exe:     fastcr.PathRef{Path: "/bin/x", Mode: unix.S_IFREG | 0o755, Size: 100, Dev: 1, Ino: 2, Nlink: 1},
		Threads: []*fastcr.Thread{{TID: pid, Comm: "x"}},
	}
}

func addFile(t *fastcr.Tree, i int) {
	open(t, i, &fastcr.File{Kind: fastcr.KindRegular, Flags: unix.O_RDWR, Pos: uint64(i), Path: fastcr.PathRef{
		Path: fmt.Sprintf("/data/file-%d", i), Mode: unix.S_IFREG | 0o600, Size: 100, Dev: 1, Ino: uint64(10 + i), Nlink: 1}})
}

// addEpoll adds an instance that watches a file.
func addEpoll(t *fastcr.Tree, i int) {
	addFile(t, 2*i)
	watched := t.Processes[0].Files[2*i]
	open(t, 2*i+1, &fastcr.File{Kind: fastcr.KindEpoll, Flags: unix.O_RDWR,
		Detail: &fastcr.Epoll{Watches: []fastcr.EpollWatch{{FD: watched.Num, File: watched.File.ID}}}})
}

// open makes f descriptor n of the first process.
func open(t *fastcr.Tree, n int, f *fastcr.File) {
	f.ID = fastcr.KObj(1000 + n)
	t.Files = append(t.Files, f)
	t.Processes[0].Files = append(t.Processes[0].Files, fastcr.FD{Num: n, File: f})
}
