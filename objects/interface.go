package objects

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// InterfaceName is the name that the network interface with this index has now (SIOCGIFNAME).
func InterfaceName(index int32) (string, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("interface %d: %w", index, err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("")
	if err != nil {
		return "", fmt.Errorf("interface %d: %w", index, err)
	}
	req.SetUint32(uint32(index))
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFNAME, req); err != nil {
		return "", fmt.Errorf("name of interface %d: %w", index, err)
	}
	return req.Name(), nil
}
