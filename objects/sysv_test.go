package objects

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadSegment(t *testing.T) {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 5000, unix.IPC_CREAT|0o600)
	if err != nil {
		t.Fatal(err)
	}
	mem, err := unix.SysvShmAttach(id, 0, 0) // it stays until this is detached
	if err != nil {
		t.Fatal(err)
	}
	if s, err := ReadSegment(id); err != nil || s.Size != 5000 || s.Removed || s.Key != unix.IPC_PRIVATE {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := unix.SysvShmCtl(id, unix.IPC_RMID, nil); err != nil {
		t.Fatal(err)
	}
	if s, err := ReadSegment(id); err != nil || !s.Removed {
		t.Errorf("removed: %+v, %v", s, err)
	}
	if err := unix.SysvShmDetach(mem); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSegment(id); !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EIDRM) {
		t.Errorf("gone: %v", err)
	}
}
