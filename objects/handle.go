package objects

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// InodeKey is an inode as fsnotify marks name it: SDev is s_dev in the kernel's encoding.
type InodeKey struct {
	SDev uint32
	Ino  uint64
}

// ReadHandles are the handles of what an inotify or fanotify instance of a process watches, as /proc/PID/fdinfo
// tells them. What has none is left out.
func ReadHandles(pid, fd int) (map[InodeKey]unix.FileHandle, error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", pid, fd))
	if err != nil {
		return nil, err
	}
	return parseHandles(string(info)), nil
}

// parseHandles parses lines like "inotify wd:1 ino:9e7e sdev:800013 mask:2 ignored_mask:0 fhandle-bytes:8
// fhandle-type:1 f_handle:7e9e0000640d1b6c" (proc_pid_fdinfo(5)).
func parseHandles(info string) map[InodeKey]unix.FileHandle {
	handles := map[InodeKey]unix.FileHandle{}
	for line := range strings.Lines(info) {
		kind, rest, _ := strings.Cut(line, " ")
		if kind != "inotify" && kind != "fanotify" {
			continue
		}
		fields := map[string]string{}
		for _, word := range strings.Fields(rest) {
			key, value, _ := strings.Cut(word, ":")
			fields[key] = value
		}
		ino, errIno := strconv.ParseUint(fields["ino"], 16, 64)
		sdev, errDev := strconv.ParseUint(fields["sdev"], 16, 32)
		typ, errType := strconv.ParseInt(fields["fhandle-type"], 16, 32)
		handle, errHandle := hex.DecodeString(fields["f_handle"])
		if errIno == nil && errDev == nil && errType == nil && errHandle == nil && len(handle) > 0 {
			handles[InodeKey{uint32(sdev), ino}] = unix.NewFileHandle(int32(typ), handle)
		}
	}
	return handles
}

// FindByHandle opens what is watched by its handle, through any mount of its file system, and fills the watch's
// Path with where the kernel then knows it to be: a directory always, a file only if somebody has used its name. It tells
// whether there is one.
func (m Mounts) FindByHandle(w *fastcr.InotifyWatch, h unix.FileHandle) bool {
	for i := len(m) - 1; i >= 0; i-- {
		if m[i].SDev != w.SDev {
			continue
		}
		fd, err := m[i].openHandle(h)
		if err != nil {
			continue
		}
		var st unix.Stat_t
		path, errLink := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		err = unix.Fstat(fd, &st)
		unix.Close(fd)
		if err == nil && errLink == nil && st.Ino == w.Ino && leadsToInode(path, &st) {
			w.Path, w.HandleType, w.Handle = path, h.Type(), h.Bytes()
			return true
		}
	}
	return false
}

func leadsToInode(path string, want *unix.Stat_t) bool {
	var st unix.Stat_t
	return unix.Lstat(path, &st) == nil && st.Ino == want.Ino && st.Dev == want.Dev
}

// openHandle opens a handle on the mount, if that is a directory and nothing is mounted over it.
func (m *Mount) openHandle(h unix.FileHandle) (int, error) {
	at, err := unix.Open(m.Point, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	var st unix.Statx_t
	if err := unix.Statx(at, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil {
		return -1, err
	}
	if st.Mnt_id != uint64(m.ID) {
		return -1, unix.ESTALE
	}
	return unix.OpenByHandleAt(at, h, unix.O_PATH|unix.O_CLOEXEC)
}
