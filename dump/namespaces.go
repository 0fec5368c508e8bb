package dump

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// ownNamespaces are the namespaces that fastcr is in (inode numbers of /proc/self/ns).
func ownNamespaces() (fastcr.Namespaces, error) {
	var n fastcr.Namespaces
	for _, ns := range []struct {
		name string
		to   *uint32
	}{
		{"pid", &n.PID}, {"pid_for_children", &n.PIDForChildren}, {"net", &n.Net}, {"ipc", &n.IPC}, {"uts", &n.UTS},
		{"mnt", &n.Mnt}, {"user", &n.User}, {"cgroup", &n.Cgroup}, {"time", &n.Time}, {"time_for_children", &n.TimeForChildren},
	} {
		var st unix.Stat_t
		if err := unix.Stat("/proc/self/ns/"+ns.name, &st); err != nil {
			return n, fmt.Errorf("stat /proc/self/ns/%s: %w", ns.name, err)
		}
		*ns.to = uint32(st.Ino)
	}
	return n, nil
}
