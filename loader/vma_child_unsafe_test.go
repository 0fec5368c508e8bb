package loader

import (
	"encoding/json"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

func init() {
	childModes["maps"] = childMaps
	childModes["manymaps"] = childManyMaps
}

// childOut names a file in which a child says what it has made.
const childOut = "FASTCR_LOADER_OUT"

func childSays(v any) {
	b, err := json.Marshal(v)
	must(err)
	must(os.WriteFile(os.Getenv(childOut), b, 0o600))
}

// madeMap is a mapping as the child asked for it.
type madeMap struct {
	What string
	Addr uint64
	Kind fastcr.VMAKind
	Name string
	Set  uint64 // VM* bits that it must have
}

const mapLen = 4 * pageSize

// mapper makes mappings and notes them.
type mapper struct{ made []madeMap }

func (m *mapper) mmap(what string, kind fastcr.VMAKind, set uint64, prot, flags, fd int, off int64) uint64 {
	addr, _, errno := unix.Syscall6(unix.SYS_MMAP, 0, mapLen, uintptr(prot), uintptr(flags), uintptr(fd), uintptr(off))
	if errno != 0 {
		must(&os.PathError{Op: "mmap", Path: what, Err: errno})
	}
	return m.note(madeMap{What: what, Addr: uint64(addr), Kind: kind, Set: set})
}

func (m *mapper) note(made madeMap) uint64 {
	m.made = append(m.made, made)
	return made.Addr
}

func (m *mapper) advised(what string, advice int, set uint64) {
	addr := m.mmap(what, fastcr.VMAAnonPrivate, set, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, -1, 0)
	_, _, errno := unix.Syscall(unix.SYS_MADVISE, uintptr(addr), mapLen, uintptr(advice))
	if errno != 0 {
		must(&os.PathError{Op: "madvise", Path: what, Err: errno})
	}
}

const rw = unix.PROT_READ | unix.PROT_WRITE

// childMaps has a mapping of every kind.
func childMaps() {
	m := &mapper{}
	anon := unix.MAP_ANONYMOUS | unix.MAP_PRIVATE
	m.mmap("anonymous", fastcr.VMAAnonPrivate, fastcr.VMRead|fastcr.VMWrite, rw, anon, -1, 0)
	m.mmap("inaccessible", fastcr.VMAAnonPrivate, fastcr.VMMayWrite, 0, anon|unix.MAP_NORESERVE, -1, 0)
	m.mmap("executable", fastcr.VMAAnonPrivate, fastcr.VMExec, unix.PROT_READ|unix.PROT_EXEC, anon, -1, 0)
	m.mmap("locked", fastcr.VMAAnonPrivate, fastcr.VMLocked, rw, anon|unix.MAP_LOCKED, -1, 0)
	m.mmap("stack", fastcr.VMAAnonPrivate, fastcr.VMGrowsDown, rw, anon|unix.MAP_GROWSDOWN, -1, 0)
	m.mmap("huge", fastcr.VMAHugetlbAnon, fastcr.VMHugeTLB, rw, anon|unix.MAP_HUGETLB|unix.MAP_NORESERVE, -1, 0)
	m.mmap("shared", fastcr.VMAAnonShared, fastcr.VMShared, rw, unix.MAP_SHARED|unix.MAP_ANONYMOUS, -1, 0)
	for _, a := range []struct {
		what   string
		advice int
		set    uint64
	}{
		{"dontfork", unix.MADV_DONTFORK, fastcr.VMDontCopy}, {"dontdump", unix.MADV_DONTDUMP, fastcr.VMDontDump},
		{"wipeonfork", unix.MADV_WIPEONFORK, fastcr.VMWipeOnFork}, {"sequential", unix.MADV_SEQUENTIAL, fastcr.VMSeqRead},
		{"random", unix.MADV_RANDOM, fastcr.VMRandRead}, {"mergeable", unix.MADV_MERGEABLE, fastcr.VMMergeable},
		{"hugepage", unix.MADV_HUGEPAGE, fastcr.VMHugePage}, {"nohugepage", unix.MADV_NOHUGEPAGE, fastcr.VMNoHugePage},
	} {
		m.advised(a.what, a.advice, a.set)
	}
	m.named()
	m.files()
	m.special()
	childSays(m.made)
}

// named is an anonymous mapping with a name.
func (m *mapper) named() {
	addr := m.mmap("named", fastcr.VMAAnonPrivate, 0, rw, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE, -1, 0)
	name := []byte("a name of forty characters, or about it\x00")
	err := unix.Prctl(unix.PR_SET_VMA, unix.PR_SET_VMA_ANON_NAME, uintptr(addr), mapLen, uintptr(unsafe.Pointer(&name[0])))
	if err == nil { // CONFIG_ANON_VMA_NAME
		m.made[len(m.made)-1].Name = string(name[:len(name)-1])
	}
}

func (m *mapper) files() {
	dir := filepath.Dir(os.Getenv(childOut))
	file := func(name string) int {
		fd, err := unix.Open(filepath.Join(dir, name), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o640)
		must(err)
		must(unix.Ftruncate(fd, 16*pageSize))
		return fd
	}
	plain, deleted, odd := file("plain"), file("deleted"), file("odd name\n (deleted)")
	must(unix.Unlink(filepath.Join(dir, "deleted")))
	m.mmap("file, private", fastcr.VMAFilePrivate, fastcr.VMWrite, rw, unix.MAP_PRIVATE, plain, 5*pageSize)
	m.mmap("file, shared", fastcr.VMAFileShared, fastcr.VMShared, rw, unix.MAP_SHARED, plain, 0)
	m.mmap("deleted file", fastcr.VMAFilePrivate, fastcr.VMRead, unix.PROT_READ, unix.MAP_PRIVATE, deleted, 0)
	m.mmap("a file's odd name", fastcr.VMAFileShared, fastcr.VMShared, rw, unix.MAP_SHARED, odd, 0)
	readOnly, err := unix.Open(filepath.Join(dir, "plain"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(err)
	m.mmap("file, shared, read-only", fastcr.VMAFileShared, fastcr.VMMayShare, unix.PROT_READ, unix.MAP_SHARED, readOnly, 0)
	memfd, err := unix.MemfdCreate("a memfd", unix.MFD_CLOEXEC)
	must(err)
	must(unix.Ftruncate(memfd, mapLen))
	m.mmap("memfd, shared", fastcr.VMAMemfd, fastcr.VMShared, rw, unix.MAP_SHARED, memfd, 0)
	m.mmap("memfd, private", fastcr.VMAMemfd, fastcr.VMMayWrite, rw, unix.MAP_PRIVATE, memfd, 0)
	zero, err := unix.Open("/dev/zero", unix.O_RDWR|unix.O_CLOEXEC, 0)
	must(err)
	m.mmap("/dev/zero, private", fastcr.VMAFilePrivate, fastcr.VMWrite, rw, unix.MAP_PRIVATE, zero, 0)
	m.mmap("/dev/zero, shared", fastcr.VMAAnonShared, fastcr.VMShared, rw, unix.MAP_SHARED, zero, 0)
}

// special is what no file in a directory stands behind.
func (m *mapper) special() {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, mapLen, 0o600|unix.IPC_CREAT)
	must(err)
	mem, err := unix.SysvShmAttach(id, 0, 0)
	must(err)
	_, err = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	must(err)
	m.note(madeMap{What: "System V", Addr: addrOf(mem), Kind: fastcr.VMASysVShm, Set: fastcr.VMShared})
	var ring uint64
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, 8, uintptr(unsafe.Pointer(&ring)), 0); errno == 0 {
		m.note(madeMap{What: "AIO ring", Addr: ring, Kind: fastcr.VMAAIORing})
	}
	sealed := m.mmap("sealed", fastcr.VMAAnonPrivate, 0, rw, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE, -1, 0)
	if _, _, errno := unix.Syscall(sysMseal, uintptr(sealed), mapLen, 0); errno == 0 { // v6.10
		m.made[len(m.made)-1].Set = fastcr.VMSealed
	}
	m.userfault()
	m.packetRing()
	m.perf()
}

const sysMseal = 462

func addrOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func (m *mapper) userfault() {
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
	if errno != 0 {
		return
	}
	const api, register, missing = 0xc018aa3f, 0xc020aa00, 1
	hello := [3]uint64{0xaa}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, api, uintptr(unsafe.Pointer(&hello))); errno != 0 {
		must(errno)
	}
	addr := m.mmap("userfaultfd", fastcr.VMAAnonPrivate, fastcr.VMUffdMissing, rw, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE, -1, 0)
	reg := [4]uint64{addr, mapLen, missing}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, register, uintptr(unsafe.Pointer(&reg))); errno != 0 {
		must(errno)
	}
}

func (m *mapper) packetRing() {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	must(unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING,
		&unix.TpacketReq{Block_size: mapLen, Block_nr: 1, Frame_size: 2048, Frame_nr: mapLen / 2048}))
	m.mmap("packet ring", fastcr.VMASocket, fastcr.VMShared, rw, unix.MAP_SHARED, fd, 0)
}

func (m *mapper) perf() {
	fd, err := unix.PerfEventOpen(&unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_CPU_CLOCK,
		Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{}))}, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return
	}
	addr, _, errno := unix.Syscall6(unix.SYS_MMAP, 0, 3*pageSize, rw, unix.MAP_SHARED, uintptr(fd), 0)
	if errno == 0 {
		m.note(madeMap{What: "perf event", Addr: uint64(addr), Kind: fastcr.VMAUnsupported})
	}
}

const manyMaps = 21000

// childManyMaps has many mappings: every other page is read-only, and a file's every tenth.
func childManyMaps() {
	dir := filepath.Dir(os.Getenv(childOut))
	fd, err := unix.Open(filepath.Join(dir, "many"), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	must(err)
	must(unix.Ftruncate(fd, manyMaps*pageSize))
	base, _, errno := unix.Syscall6(unix.SYS_MMAP, 0, manyMaps*pageSize, rw, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uintptr(0), 0)
	if errno != 0 {
		must(errno)
	}
	for i := uintptr(0); i < manyMaps; i += 2 {
		nr, prot, flags, file := uintptr(unix.SYS_MPROTECT), uintptr(unix.PROT_READ), uintptr(0), ^uintptr(0)
		if i%10 == 0 {
			nr, flags, file = unix.SYS_MMAP, unix.MAP_PRIVATE|unix.MAP_FIXED, uintptr(fd)
		}
		if _, _, errno := unix.Syscall6(nr, base+i*pageSize, pageSize, prot, flags, file, 0); errno != 0 {
			must(errno)
		}
	}
}
