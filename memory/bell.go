package memory

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// bell wakes threads that wait in read(2) on an eventfd. Go's own scheduler is too slow
// to use in the freeze: a goroutine that waits at a channel starts 0.5 to 1.7 ms after it
// was sent to on a busy machine of two processors, a thread in read(2) after 5 µs.
type bell struct{ fd int }

// newBell makes a bell. With each, every ring wakes one thread; without, the next
// thread to wait hears all rings at once.
func newBell(each bool) (bell, error) {
	flags := unix.EFD_CLOEXEC
	if each {
		flags |= unix.EFD_SEMAPHORE
	}
	fd, err := unix.Eventfd(0, flags)
	if err != nil {
		return bell{-1}, fmt.Errorf("make an eventfd for copying threads: %w", err)
	}
	return bell{fd}, nil
}

// ring rings n times. buf is the caller's.
func (b bell) ring(n int, buf *[8]byte) error {
	binary.NativeEndian.PutUint64(buf[:], uint64(n))
	for {
		if _, err := unix.Write(b.fd, buf[:]); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// wait waits for a ring and returns how many there were. buf is the caller's.
func (b bell) wait(buf *[8]byte) (int, error) {
	for {
		if _, err := unix.Read(b.fd, buf[:]); !errors.Is(err, unix.EINTR) {
			return int(binary.NativeEndian.Uint64(buf[:])), err
		}
	}
}

func (b bell) close() {
	if b.fd >= 0 {
		unix.Close(b.fd)
	}
}
