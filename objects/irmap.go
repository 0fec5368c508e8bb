package objects

import (
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// watchedPlaces are where programs watch files as a rule: those that criu looks at too.
var watchedPlaces = []string{
	"/etc", "/var/spool", "/var/log", "/usr/share/dbus-1/services", "/usr/share/dbus-1/system-services",
	"/var/lib/polkit-1/localauthority", "/usr/share/polkit-1/actions", "/lib/udev",
}

// FindInodes looks for inodes in directories and below, and then in the places where files are watched as a
// rule, until it has a path of each. What it does not find has no entry.
func (m Mounts) FindInodes(dirs []string, wanted map[InodeKey]bool) map[InodeKey]string {
	s := inodeScan{mounts: m, devices: map[uint64]uint32{}, wanted: wanted, found: map[InodeKey]string{}}
	for _, mount := range m {
		s.devices[uint64(mount.ID)] = mount.SDev
	}
	for _, dir := range append(dirs[:len(dirs):len(dirs)], watchedPlaces...) {
		_ = filepath.WalkDir(dir, s.visit) // what cannot be read is passed over
	}
	s.look("/")
	return s.found
}

type inodeScan struct {
	mounts  Mounts
	devices map[uint64]uint32 // by the mount's number
	wanted  map[InodeKey]bool
	found   map[InodeKey]string
}

func (s *inodeScan) visit(path string, d fs.DirEntry, err error) error {
	if len(s.found) == len(s.wanted) {
		return fs.SkipAll
	}
	if err != nil {
		return nil
	}
	if sdev := s.look(path); d.IsDir() && !s.mayHold(sdev, path) {
		return fs.SkipDir
	}
	return nil
}

// look compares the inode at path with those that are wanted, and returns its device. The mount tells that: stat(2)
// has others on btrfs.
func (s *inodeScan) look(path string) (sdev uint32) {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_INO|unix.STATX_MNT_ID, &st) != nil {
		return 0
	}
	key := InodeKey{s.devices[st.Mnt_id], st.Ino}
	if s.wanted[key] && s.found[key] == "" {
		s.found[key] = path
	}
	return key.SDev
}

// mayHold tells whether wanted inodes may be below a directory: on its device, or on what is mounted there.
func (s *inodeScan) mayHold(sdev uint32, dir string) bool {
	for key := range s.wanted {
		if key.SDev == sdev {
			return true
		}
		for _, mount := range s.mounts {
			if mount.SDev == key.SDev && strings.HasPrefix(mount.Point, strings.TrimSuffix(dir, "/")+"/") {
				return true
			}
		}
	}
	return false
}

// SetPath has a restore find what is watched by its path.
func SetPath(w *fastcr.InotifyWatch, path string) {
	w.Path = path
	if h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0); err == nil {
		w.HandleType, w.Handle = h.Type(), h.Bytes()
	}
}
