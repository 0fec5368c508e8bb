package objects

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// LeadsTo tells whether the path leads to the inode that it did when it was read.
func LeadsTo(p *fastcr.PathRef) bool {
	var st unix.Stat_t
	if unix.Lstat(p.Path, &st) != nil {
		return false
	}
	if st.Ino == p.Ino && uint64(st.Dev) == p.Dev {
		return true
	}
	// btrfs and overlayfs tell stat(2) of other devices and inodes than they have.
	fd, err := unix.Open(p.Path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return false
	}
	return strings.Contains(string(info), fmt.Sprintf("\nmnt_id:\t%d\n", p.MntID)) &&
		strings.Contains(string(info), fmt.Sprintf("\nino:\t%d\n", p.Ino))
}
