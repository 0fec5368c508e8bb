package loader

import (
	"encoding/json"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() { childModes["aio"] = childAIO }

// childContext is what a child has done with an AIO context.
type childContext struct {
	ID          uint64
	Polls, Done int // requests
}

const childContexts = 300 // more than one program call writes

// iocb is struct iocb of linux/aio_abi.h.
type iocb struct {
	_          [2]uint64 // data, key, flags
	opcode, _  uint16
	fd         uint32
	buf, bytes uint64
	_          [3]uint64 // offset, flags, eventfd
}

// Operations of linux/aio_abi.h.
const (
	aioPoll  = 5
	aioWrite = 1
)

// childAIO has contexts with requests that wait for a pipe, and with such that have ended.
func childAIO() {
	var p [2]int
	must(unix.Pipe2(p[:], 0))
	null, err := unix.Open("/dev/null", unix.O_WRONLY, 0)
	must(err)
	made := make([]childContext, childContexts)
	for i := range made {
		c := &made[i]
		if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, 16, uintptr(unsafe.Pointer(&c.ID)), 0); errno != 0 {
			must(errno)
		}
		for c.Polls = 0; c.Polls < i%4; c.Polls++ {
			submit(c.ID, &iocb{opcode: aioPoll, fd: uint32(p[0]), buf: unix.POLLIN})
		}
		for c.Done = 0; c.Done < i%3; c.Done++ {
			submit(c.ID, &iocb{opcode: aioWrite, fd: uint32(null), buf: uint64(uintptr(unsafe.Pointer(&p))), bytes: 1})
		}
	}
	b, err := json.Marshal(made)
	must(err)
	must(os.WriteFile(os.Getenv(childOut), b, 0o600))
}

func submit(context uint64, cb *iocb) {
	if _, _, errno := unix.Syscall(unix.SYS_IO_SUBMIT, uintptr(context), 1, uintptr(unsafe.Pointer(&cb))); errno != 0 {
		must(errno)
	}
}
