package objects

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

const aioRingHead = 32 // bytes, struct aio_ring without its events

// ReadAIORing reads the beginning of the AIO ring that process pid has mapped at an address. An
// error that is EFAULT says that nothing readable is mapped there.
func ReadAIORing(pid int, at uint64) (*fastcr.AIORing, error) {
	var b [aioRingHead]byte
	local := []unix.Iovec{{Base: &b[0], Len: aioRingHead}}
	n, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: uintptr(at), Len: aioRingHead}}, 0)
	if err == nil && n < aioRingHead {
		err = unix.EFAULT
	}
	if err != nil {
		return nil, fmt.Errorf("read AIO ring of %d at %#x: %w", pid, at, err)
	}
	word := func(i int) uint32 { return binary.NativeEndian.Uint32(b[4*i:]) }
	return &fastcr.AIORing{Nr: word(1), Head: word(2), Tail: word(3), Magic: word(4), Compat: word(5), Incompat: word(6), Bytes: word(7)}, nil
}
