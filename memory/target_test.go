package memory

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The test binary is its own target: with this variable it maps one kind of memory, prints
// what there is to be found, and waits until its standard input ends.
const targetVar = "MEMORY_TEST_TARGET"

func TestMain(m *testing.M) {
	if spec := os.Getenv(targetVar); spec != "" {
		name, arg, _ := strings.Cut(spec, ":")
		t := &target{out: bufio.NewWriter(os.Stdout), arg: arg}
		targets[name](t)
		fmt.Fprintln(t.out, "ready")
		t.out.Flush()
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var targets = map[string]func(*target){
	"anonymous": targetAnonymous, "file": targetFile, "guard": targetGuard, "marker": targetMarker,
	"huge": targetHuge, "hugetlb": targetHugetlb, "big": targetBig, "shared": targetShared,
	"sysv": targetSysV, "exec": targetExec, "swap": targetSwap, "sparse": targetSparse,
}

// target is the child's side.
type target struct {
	out *bufio.Writer
	arg string
}

// must ends the child with a message that the parent shows.
func must(err error) {
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

func mapMemory(fd, pages, prot, flags int) []byte {
	mem, err := unix.Mmap(fd, 0, pages*int(PageSize), prot, flags)
	must(err)
	return mem
}

func anonymous(pages int) []byte {
	return mapMemory(-1, pages, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
}

// pages is the part of mem that has n pages from the first on.
func pages(mem []byte, first, n int) []byte {
	return mem[first*int(PageSize) : (first+n)*int(PageSize)]
}

// fill writes a pattern that names each page's address into n pages.
func fill(mem []byte, first, n int) {
	for p := first; p < first+n; p++ {
		page := pages(mem, p, 1)
		pattern(page, addressOf(page))
	}
}

func pattern(page []byte, address uint64) {
	for i := 0; i < len(page); i += 512 {
		binary.NativeEndian.PutUint64(page[i:], address+uint64(i)+1)
	}
}

func (t *target) area(mem []byte) {
	fmt.Fprintf(t.out, "area %x %x\n", addressOf(mem), addressOf(mem)+uint64(len(mem)))
}

// want says that n pages are to be found; patterned, unless zero.
func (t *target) want(mem []byte, first, n int) {
	fmt.Fprintf(t.out, "want %x %x\n", addressOf(pages(mem, first, n)), n)
}

// targetAnonymous has every kind of page and protection side by side in one mapping.
func targetAnonymous(t *target) {
	mem := anonymous(64)
	must(unix.Madvise(mem, unix.MADV_NOHUGEPAGE))
	t.area(mem)
	fill(mem, 0, 3)
	_ = mem[4*PageSize] // the zero page
	fill(mem, 6, 20)
	must(unix.Mprotect(pages(mem, 10, 4), unix.PROT_NONE))
	must(unix.Mprotect(pages(mem, 18, 2), unix.PROT_WRITE))
	must(unix.Mprotect(pages(mem, 40, 4), unix.PROT_NONE)) // and nothing in it
	fill(mem, 60, 4)
	must(unix.Mprotect(pages(mem, 63, 1), unix.PROT_NONE))
	t.want(mem, 0, 3)
	t.want(mem, 6, 20)
	t.want(mem, 60, 4)
}

// targetFile maps a file privately: its clean pages do not count.
func targetFile(t *target) {
	f, err := os.CreateTemp("", "memory-test")
	must(err)
	must(os.Remove(f.Name()))
	_, err = f.Write(make([]byte, 32*PageSize))
	must(err)
	mem := mapMemory(int(f.Fd()), 32, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	t.area(mem)
	for p := range 16 {
		_ = mem[p*int(PageSize)]
	}
	fill(mem, 8, 2)
	fill(mem, 30, 2)
	t.want(mem, 8, 2)
	t.want(mem, 30, 2)
}

func targetGuard(t *target) {
	mem := anonymous(32)
	must(unix.Madvise(mem, unix.MADV_NOHUGEPAGE))
	t.area(mem)
	fill(mem, 0, 32)
	const madvGuardInstall = 102 // 6.13
	for _, g := range [][2]int{{0, 1}, {9, 3}} {
		if err := unix.Madvise(pages(mem, g[0], g[1]), madvGuardInstall); errors.Is(err, unix.EINVAL) {
			fmt.Fprintln(t.out, "old kernel")
			return
		}
		fmt.Fprintf(t.out, "guard %x %x\n", addressOf(pages(mem, g[0], g[1])), g[1])
	}
	t.want(mem, 1, 8)
	t.want(mem, 12, 20)
}

// targetMarker has memory that its own userfaultfd write-protects and would serve: nobody
// ever answers, so whoever reads a page that is not there waits for ever.
func targetMarker(t *target) {
	mem := anonymous(64)
	must(unix.Madvise(mem, unix.MADV_NOHUGEPAGE))
	t.area(mem)
	fill(mem, 5, 2)
	fd, _, e := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
	if e != 0 {
		must(e)
	}
	if err := uffdInit(int(fd), 1<<0|1<<13); err != nil { // PAGEFAULT_FLAG_WP, WP_UNPOPULATED (6.4)
		fmt.Fprintln(t.out, "old kernel")
		return
	}
	must(uffdRegister(int(fd), mem, 1|2)) // MISSING, WP
	must(uffdProtect(int(fd), mem))
	t.want(mem, 5, 2)
}

// targetHuge has a huge page and the huge zero page.
func targetHuge(t *target) {
	mem := anonymous(4 * hugePage / int(PageSize))
	must(unix.Madvise(mem, unix.MADV_HUGEPAGE))
	skip := int(roundUp(addressOf(mem), hugePage) - addressOf(mem))
	mem = mem[skip : skip+3*hugePage]
	t.area(mem)
	n := hugePage / int(PageSize)
	fill(mem, 0, n)
	_ = mem[n*int(PageSize)]
	fill(mem, 2*n, n)
	t.want(mem, 0, n)
	t.want(mem, 2*n, n)
}

func targetHugetlb(t *target) {
	n := hugePage / int(PageSize)
	mem := mapMemory(-1, 3*n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_HUGETLB)
	t.area(mem)
	fill(mem, n, n)
	t.want(mem, n, n)
}

// targetBig has arg MiB, with a hole every so often.
func targetBig(t *target) {
	var mib, every int
	fmt.Sscanf(t.arg, "%d,%d", &mib, &every)
	n := mib << 20 / int(PageSize)
	mem := anonymous(n)
	if every > 0 {
		must(unix.Madvise(mem, unix.MADV_NOHUGEPAGE))
	} else {
		every = n + 1
		must(unix.Madvise(mem, unix.MADV_HUGEPAGE))
	}
	t.area(mem)
	for p := 0; p < n; p += every {
		written := min(every-1, n-p)
		fill(mem, p, written)
		t.want(mem, p, written)
	}
}

// targetSparse has arg mappings of two pages, every other one without access.
func targetSparse(t *target) {
	var n int
	fmt.Sscan(t.arg, &n)
	mem := anonymous(2 * n)
	must(unix.Madvise(mem, unix.MADV_NOHUGEPAGE))
	t.area(mem)
	for i := range n {
		fill(mem, 2*i, 1)
		t.want(mem, 2*i, 1)
		if i%2 == 1 {
			must(unix.Mprotect(pages(mem, 2*i, 2), unix.PROT_NONE))
		}
	}
}

func targetShared(t *target) {
	flags := unix.MAP_SHARED | unix.MAP_ANONYMOUS
	if t.arg == "hugetlb" {
		flags |= unix.MAP_HUGETLB
	}
	const n = 2048
	mem := mapMemory(-1, n, unix.PROT_READ|unix.PROT_WRITE, flags)
	t.area(mem)
	sharedPages(t, mem, t.arg == "hugetlb")
}

// sharedPages writes some pages of an object and unmaps others: the object keeps them.
func sharedPages(t *target, mem []byte, hugetlb bool) {
	fill(mem, 1, 2)
	fill(mem, 1000, 600)
	if hugetlb {
		t.want(mem, 0, len(mem)/int(PageSize))
		return
	}
	t.want(mem, 1, 2)
	t.want(mem, 1000, 600)
}

func targetSysV(t *target) {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 2048*int(PageSize), unix.IPC_CREAT|0o600)
	must(err)
	mem, err := unix.SysvShmAttach(id, 0, 0)
	must(err)
	_, err = unix.SysvShmCtl(id, unix.IPC_RMID, nil) // at the last detach
	must(err)
	t.area(mem)
	sharedPages(t, mem, false)
}

// targetExec becomes another program when its standard input says so, and says "again" then.
func targetExec(t *target) {
	if t.arg == "again" {
		mem := anonymous(8)
		fill(mem, 2, 3)
		must(unix.Mprotect(pages(mem, 3, 1), unix.PROT_NONE))
		t.area(mem)
		t.want(mem, 2, 3)
		return
	}
	fmt.Fprintln(t.out, "ready")
	t.out.Flush()
	os.Stdin.Read(make([]byte, 1))
	must(unix.Exec("/proc/self/exe", []string{"target"}, append(os.Environ(), targetVar+"=exec:again")))
}

// targetSwap pushes its pages out.
func targetSwap(t *target) {
	mem := anonymous(512)
	must(unix.Madvise(mem, unix.MADV_NOHUGEPAGE))
	t.area(mem)
	fill(mem, 0, 100)
	fill(mem, 200, 100)
	t.want(mem, 0, 100)
	t.want(mem, 200, 100)
	must(unix.Madvise(mem, unix.MADV_PAGEOUT))
}

// found is the parent's side: a child and what it says that there is.
type found struct {
	pid     int
	area    Range
	runs    []Run
	guards  []Range
	old     bool // the kernel lacks what the target shows
	in      io.Writer
	out     *bufio.Reader
	started *exec.Cmd
}

// start starts a target and stops it.
func start(tb testing.TB, spec string) *found {
	tb.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), targetVar+"="+spec)
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	f := &found{pid: cmd.Process.Pid, in: in, out: bufio.NewReader(out), started: cmd}
	f.read(tb)
	return f
}

// read reads what the child says up to "ready".
func (f *found) read(tb testing.TB) {
	tb.Helper()
	for {
		line, err := f.out.ReadString('\n')
		if err != nil {
			tb.Fatalf("target: %v", err)
		}
		var a, b uint64
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		fmt.Sscanf(rest, "%x %x", &a, &b)
		switch word {
		case "ready":
			return
		case "area":
			f.area = Range{Start: a, End: b}
		case "want":
			f.runs = append(f.runs, Run{a, b})
		case "guard":
			f.guards = append(f.guards, Range{Start: a, End: a + b*PageSize})
		case "old":
			f.old = true
		default:
			tb.Fatalf("target: %s", line)
		}
	}
}

// needs ends a test that this machine cannot run; under CI it must.
func needs(tb testing.TB, what string, err error) {
	tb.Helper()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		tb.Fatalf("%s: %v", what, err)
	}
	tb.Skipf("%s: %v", what, err)
}
