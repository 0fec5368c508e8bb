package objects

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

func TestParseHandles(t *testing.T) {
	got := parseHandles(`pos:	0
flags:	02000000
mnt_id:	15
inotify wd:2 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:7e9e0000640d1b6c
inotify wd:1 ino:33 sdev:14 mask:2 ignored_mask:0
fanotify flags:10 event-flags:0
fanotify mnt_id:12 mflags:40 mask:38 ignored_mask:40000003
fanotify ino:4f969 sdev:800013 mflags:0 mask:3b ignored_mask:40000000 fhandle-bytes:8 fhandle-type:81 f_handle:69f90400c275b5b4
`)
	for key, want := range map[InodeKey]unix.FileHandle{
		{0x800013, 0x9e7e}:  unix.NewFileHandle(1, []byte{0x7e, 0x9e, 0, 0, 0x64, 0x0d, 0x1b, 0x6c}),
		{0x800013, 0x4f969}: unix.NewFileHandle(0x81, []byte{0x69, 0xf9, 4, 0, 0xc2, 0x75, 0xb5, 0xb4}),
	} {
		h, ok := got[key]
		if !ok || h.Type() != want.Type() || !bytes.Equal(h.Bytes(), want.Bytes()) {
			t.Errorf("%+v: %v, handle %d %x", key, ok, h.Type(), h.Bytes())
		}
	}
	if len(got) != 2 {
		t.Errorf("%d handles, want 2", len(got))
	}
}

// watchOf is a watch of path as the kernel would have it without a name.
func watchOf(t *testing.T, m Mounts, path string) fastcr.InotifyWatch {
	t.Helper()
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_MNT_ID, &st); err != nil {
		t.Fatal(err)
	}
	for _, mount := range m {
		if uint64(mount.ID) == st.Mnt_id {
			return fastcr.InotifyWatch{SDev: mount.SDev, Ino: st.Ino, Nlink: 1}
		}
	}
	t.Fatalf("%s is on mount %d, which is none", path, st.Mnt_id)
	return fastcr.InotifyWatch{}
}

func TestFindByHandle(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root opens by handle")
	}
	m, err := ReadMounts()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, dir, 0)
	if errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("no handles on this file system")
	}
	if err != nil {
		t.Fatal(err)
	}
	w := watchOf(t, m, dir)
	if !m.FindByHandle(&w, h) || !leads(t, w.Path, dir) || !bytes.Equal(w.Handle, h.Bytes()) {
		t.Errorf("the handle leads to %q, not to %s", w.Path, dir)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if gone := (fastcr.InotifyWatch{SDev: w.SDev, Ino: w.Ino}); m.FindByHandle(&gone, h) {
		t.Errorf("the handle of what was deleted leads to %q", gone.Path)
	}
}

func leads(t *testing.T, path, to string) bool {
	t.Helper()
	a, errA := os.Lstat(path)
	b, errB := os.Lstat(to)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

func TestFindInodes(t *testing.T) {
	m, err := ReadMounts()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "watched")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	wanted, want := map[InodeKey]bool{}, map[InodeKey]string{}
	for _, path := range []string{deep, "/etc/passwd", "/"} {
		w := watchOf(t, m, path)
		wanted[InodeKey{w.SDev, w.Ino}], want[InodeKey{w.SDev, w.Ino}] = true, path
	}
	nowhere := InodeKey{watchOf(t, m, dir).SDev, ^uint64(0)}
	wanted[nowhere] = true
	got := m.FindInodes([]string{filepath.Join(dir, "no such"), dir}, wanted)
	for key, path := range want {
		if !leads(t, got[key], path) {
			t.Errorf("found %q, want %s", got[key], path)
		}
	}
	if got[nowhere] != "" || len(got) != len(want) {
		t.Errorf("found %v", got)
	}
	if again := m.FindInodes(nil, map[InodeKey]bool{{watchOf(t, m, deep).SDev, watchOf(t, m, deep).Ino}: true}); len(again) != 0 {
		t.Errorf("without its directory: %v", again)
	}
}

// A directory tree that holds nothing wanted is not looked through.
func TestMayHold(t *testing.T) {
	s := inodeScan{
		mounts: Mounts{{ID: 1, SDev: 8, Point: "/"}, {ID: 2, SDev: 5, Point: "/proc"}, {ID: 3, SDev: 9, Point: "/srv"}, {ID: 4, SDev: 8, Point: "/srv/a/b"}},
		wanted: map[InodeKey]bool{{8, 17}: true},
	}
	for _, c := range []struct {
		sdev uint32
		dir  string
		want bool
	}{
		{8, "/", true}, {8, "/etc", true}, {5, "/proc", false}, {9, "/srv", true}, {9, "/srv/a", true}, {9, "/srv/ab", false}, {9, "/srv/c", false},
	} {
		if got := s.mayHold(c.sdev, c.dir); got != c.want {
			t.Errorf("%s of device %d: %v", c.dir, c.sdev, got)
		}
	}
}
