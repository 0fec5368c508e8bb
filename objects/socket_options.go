package objects

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// SocketOptions asks the socket behind fd of pid for its classic filter of so many instructions
// (SO_GET_FILTER; 0: it has none), and for the interface that it is bound to (SO_BINDTODEVICE).
func (a *Asker) SocketOptions(pid, fd, instructions int, bound bool) (*fastcr.AskedOptions, error) {
	dup, err := a.Dup(pid, fd)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dup)
	asked := &fastcr.AskedOptions{}
	if instructions > 0 {
		code := make([]unix.SockFilter, instructions)
		n, err := getFilter(dup, code)
		if err != nil {
			return nil, fmt.Errorf("filter of socket, pid %d fd %d: %w", pid, fd, err)
		}
		if n != len(code) {
			return nil, fmt.Errorf("filter of socket, pid %d fd %d: %d instructions instead of %d", pid, fd, n, len(code))
		}
		for _, c := range code {
			asked.Filter = append(asked.Filter, uint64(c.Code)<<48|uint64(c.Jt)<<40|uint64(c.Jf)<<32|uint64(c.K))
		}
	}
	if bound {
		if asked.Device, err = unix.GetsockoptString(dup, unix.SOL_SOCKET, unix.SO_BINDTODEVICE); err != nil {
			return nil, fmt.Errorf("interface of socket, pid %d fd %d: %w", pid, fd, err)
		}
	}
	return asked, nil
}
