package objects

import (
	"fmt"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// Mounts are the mounts of a mount namespace, in the order of /proc/PID/mountinfo.
type Mounts []Mount

// Mount is one mount: what part of which file system is where.
type Mount struct {
	ID    int
	SDev  uint32 // s_dev in the kernel's encoding
	Root  string // the part of the file system, "/" for all of it
	Point string
}

// ReadMounts reads the mounts that fastcr itself sees.
func ReadMounts() (Mounts, error) {
	infos, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, fmt.Errorf("read mountinfo: %w", err)
	}
	return newMounts(infos), nil
}

func newMounts(infos []*mountinfo.Info) (m Mounts) {
	for _, i := range infos {
		m = append(m, Mount{ID: i.ID, SDev: uint32(i.Major<<20 | i.Minor), Root: i.Root, Point: i.Mountpoint})
	}
	return m
}

// paths are where a file system's path may be seen, the newest mount first.
func (m Mounts) paths(sdev uint32, fsPath string) (paths []string) {
	for i := len(m) - 1; i >= 0; i-- {
		if m[i].SDev != sdev {
			continue
		}
		rest, ok := strings.CutPrefix(fsPath, strings.TrimSuffix(m[i].Root, "/"))
		if !ok || rest != "" && rest[0] != '/' {
			continue
		}
		path := strings.TrimSuffix(m[i].Point, "/") + rest
		if path != "/" {
			path = strings.TrimSuffix(path, "/")
		}
		if path == "" {
			path = "/"
		}
		paths = append(paths, path)
	}
	return paths
}

// NameMount fills the Path of a mark on a mount, and checks that it leads there.
func (m Mounts) NameMount(w *fastcr.InotifyWatch, id int32) error {
	for _, mount := range m {
		if mount.ID != int(id) {
			continue
		}
		var st unix.Statx_t
		if err := unix.Statx(unix.AT_FDCWD, mount.Point, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_MNT_ID, &st); err != nil || st.Mnt_id != uint64(id) {
			return fmt.Errorf("%s does not lead to mount %d: something is mounted over it", mount.Point, id)
		}
		w.Path = mount.Point
		return nil
	}
	return fmt.Errorf("mount %d is not seen here", id)
}

// NameWatch fills a watch's Path, by which the restored program finds what it
// watches, and Handle. An error says that no mount shows it.
func (m Mounts) NameWatch(w *fastcr.InotifyWatch) error {
	if w.FSPath == "" {
		return fmt.Errorf("the kernel has no path of inode %d of device %#x at hand", w.Ino, w.SDev)
	}
	paths := m.paths(w.SDev, w.FSPath)
	for _, path := range paths {
		var st unix.Stat_t
		if unix.Lstat(path, &st) != nil || st.Ino != w.Ino {
			continue
		}
		SetPath(w, path)
		return nil
	}
	if len(paths) == 0 {
		return fmt.Errorf("%s of device %#x is on no mount", w.FSPath, w.SDev)
	}
	return fmt.Errorf("%s does not lead to inode %d of device %#x: something is mounted over it, or it was renamed", paths[0], w.Ino, w.SDev)
}
