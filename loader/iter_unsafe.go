package loader

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const bpfTraceIter = 28 // enum bpf_attach_type, BPF_TRACE_ITER

// union bpf_iter_link_info.task
type iterTaskInfo struct {
	tid   uint32
	pid   uint32
	pidFD uint32
}

// union bpf_attr, BPF_LINK_CREATE of an iterator
type linkCreateIterAttr struct {
	progFD     uint32
	targetFD   uint32
	attachType uint32
	flags      uint32
	info       unsafe.Pointer
	infoLen    uint32
	_          uint32
}

// union bpf_attr, BPF_ITER_CREATE
type iterCreateAttr struct {
	linkFD uint32
	flags  uint32
}

// createIter returns the descriptor of an iterator over the tasks of thread
// group pid (task.pid of bpf_iter_link_info, Linux 6.1). The link is closed
// again: the iterator holds the program and the filter by itself.
func createIter(progFD, pid int) (int, error) {
	info := iterTaskInfo{pid: uint32(pid)}
	attr := linkCreateIterAttr{
		progFD:     uint32(progFD),
		attachType: bpfTraceIter,
		info:       unsafe.Pointer(&info),
		infoLen:    uint32(unsafe.Sizeof(info)),
	}
	linkFD, err := bpf(unix.BPF_LINK_CREATE, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil {
		return -1, fmt.Errorf("attach iterator to pid %d: %w", pid, err)
	}
	defer unix.Close(linkFD)
	iter := iterCreateAttr{linkFD: uint32(linkFD)}
	fd, err := bpf(unix.BPF_ITER_CREATE, unsafe.Pointer(&iter), unsafe.Sizeof(iter))
	if err != nil {
		return -1, fmt.Errorf("create iterator of pid %d: %w", pid, err)
	}
	return fd, nil
}

// union bpf_attr, BPF_OBJ_PIN and BPF_OBJ_GET
type objAttr struct {
	path      unsafe.Pointer
	fd, flags uint32
}

// openPin opens a pinned program or map that is root's.
func openPin(path string) (int, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return -1, fmt.Errorf("stat %s: %w", path, err)
	}
	if st.Uid != 0 {
		return -1, fmt.Errorf("%s: %w", path, errUntrusted)
	}
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return -1, fmt.Errorf("%s: %w", path, err)
	}
	attr := objAttr{path: unsafe.Pointer(p)}
	fd, err := bpf(unix.BPF_OBJ_GET, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", path, err)
	}
	return fd, nil
}

// pinFD pins a program or map.
func pinFD(fd int, path string) error {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	attr := objAttr{path: unsafe.Pointer(p), fd: uint32(fd)}
	if _, err := bpf(unix.BPF_OBJ_PIN, unsafe.Pointer(&attr), unsafe.Sizeof(attr)); err != nil {
		return fmt.Errorf("pin %s: %w", path, err)
	}
	return nil
}

// union bpf_attr, BPF_MAP_UPDATE_ELEM
type mapElemAttr struct {
	fd, _      uint32
	key, value unsafe.Pointer
	flags      uint64
}

// mapPut sets the value of a key.
func mapPut[K, V any](fd int, key K, value *V) error {
	attr := mapElemAttr{fd: uint32(fd), key: unsafe.Pointer(&key), value: unsafe.Pointer(value)}
	_, err := bpf(unix.BPF_MAP_UPDATE_ELEM, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return err
}

// bpf is bpf(2) of a command that returns a descriptor or nothing.
func bpf(cmd uintptr, attr unsafe.Pointer, size uintptr) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(attr), size)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// readInto is read(2) without telling the Go scheduler: it never waits, and a
// thread that is handed its processor back late would lengthen the freeze.
func readInto(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), errno
}
