package objects

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

const someMounts = `21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 0:20 / /proc rw - proc proc rw
30 21 0:33 / /tmp rw - tmpfs tmpfs rw
31 21 8:1 /srv/a\040b /mnt/with\040space rw - ext4 /dev/sda1 rw
32 21 8:1 /srv /other rw - ext4 /dev/sda1 rw
`

func TestMountPaths(t *testing.T) {
	infos, err := mountinfo.GetMountsFromReader(strings.NewReader(someMounts), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := newMounts(infos)
	for _, tt := range []struct {
		sdev uint32
		path string
		want []string
	}{
		{33, "/x/y", []string{"/tmp/x/y"}},
		{33, "/", []string{"/tmp"}},
		{8<<20 | 1, "/", []string{"/"}},
		{8<<20 | 1, "/srv/a b/c", []string{"/other/a b/c", "/mnt/with space/c", "/srv/a b/c"}},
		{8<<20 | 1, "/srv/a b", []string{"/other/a b", "/mnt/with space", "/srv/a b"}},
		{8<<20 | 1, "/srv/a bc", []string{"/other/a bc", "/srv/a bc"}},
		{8<<20 | 1, "/srvx", []string{"/srvx"}},
		{99, "/x", nil},
	} {
		if got := m.paths(tt.sdev, tt.path); !slices.Equal(got, tt.want) {
			t.Errorf("%s of %#x: %q, want %q", tt.path, tt.sdev, got, tt.want)
		}
	}
}

func TestNameWatch(t *testing.T) {
	m, err := ReadMounts()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "watched")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		t.Fatal(err)
	}
	sdev := unix.Major(st.Dev)<<20 | unix.Minor(st.Dev)
	// The file system's path is the whole one, less some mount point.
	var w fastcr.InotifyWatch
	for _, mount := range m {
		if rest, err := filepath.Rel(mount.Point, name); mount.SDev == sdev && err == nil && rest[0] != '.' {
			w = fastcr.InotifyWatch{SDev: sdev, Ino: st.Ino, FSPath: filepath.Join(mount.Root, rest)}
		}
	}
	if err := m.NameWatch(&w); err != nil {
		t.Fatal(err)
	}
	var got unix.Stat_t
	if err := unix.Lstat(w.Path, &got); err != nil || got.Ino != st.Ino || got.Dev != st.Dev {
		t.Errorf("%s leads to %d: %v", w.Path, got.Ino, err)
	}
	h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, name, 0)
	if err != nil {
		t.Logf("no handles on this file system: %v", err)
		h = unix.NewFileHandle(w.HandleType, w.Handle)
	}
	if w.HandleType != h.Type() || !bytes.Equal(w.Handle, h.Bytes()) {
		t.Errorf("handle %d %x, want %d %x", w.HandleType, w.Handle, h.Type(), h.Bytes())
	}
	for _, bad := range []fastcr.InotifyWatch{{Ino: 5, SDev: sdev}, {FSPath: "/x", SDev: 0xfffff}} {
		if err := m.NameWatch(&bad); err == nil {
			t.Errorf("%+v was named %s", bad, bad.Path)
		}
	}
}

func FuzzMounts(f *testing.F) {
	f.Add("/srv", "/mnt/a b", "/srv/a b/c")
	f.Add("/", "/", "/")
	f.Fuzz(func(t *testing.T, root, point, path string) {
		m := Mounts{{SDev: 8<<20 | 1, Root: root, Point: point}}
		for _, p := range m.paths(8<<20|1, path) {
			if p == "" {
				t.Errorf("an empty path for %q", path)
			}
		}
	})
}
