package objects

import (
	"errors"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestReadAIORing(t *testing.T) {
	var id uint64
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, 100, uintptr(unsafe.Pointer(&id)), 0); errno != 0 {
		t.Skipf("io_setup: %v", errno)
	}
	defer func() { _, _, _ = unix.Syscall(unix.SYS_IO_DESTROY, uintptr(id), 0, 0) }()
	r, err := ReadAIORing(os.Getpid(), id)
	if err != nil || r.Magic != 0xa10a10a1 || r.Bytes != 32 || r.Nr < 202 || r.Head != 0 || r.Tail != 0 {
		t.Errorf("%+v: %v", r, err)
	}
	if r, err := ReadAIORing(os.Getpid(), 4096); !errors.Is(err, unix.EFAULT) {
		t.Errorf("where nothing is mapped: %+v: %v", r, err)
	}
}
