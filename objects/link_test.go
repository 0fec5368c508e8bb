package objects

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// deletedWithOtherName opens a file of two names, takes one away and returns the
// descriptor and what is known of the file by that name.
func deletedWithOtherName(t *testing.T, name, other string) (int, fastcr.PathRef) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var st unix.Stat_t
	if err := errors.Join(os.Link(name, other), os.Remove(name), unix.Fstat(int(f.Fd()), &st)); err != nil {
		t.Fatal(err)
	}
	return int(f.Fd()), fastcr.PathRef{Path: name, Deleted: true, Ino: st.Ino, Nlink: uint32(st.Nlink), Mode: st.Mode}
}

func TestLink(t *testing.T) {
	a, dir := newAsker(t), t.TempDir()
	inner := filepath.Join(dir, "inner")
	if err := os.Mkdir(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	fd, p := deletedWithOtherName(t, filepath.Join(inner, "name"), filepath.Join(dir, "other"))
	first, err := a.LinkFD(os.Getpid(), fd, p)
	if err != nil || first.Path != inner+"/link_remap.1" {
		t.Fatalf("%v, %v", first, err)
	}
	second, err := a.LinkFD(os.Getpid(), fd, p)
	if err != nil || second.Path != inner+"/link_remap.2" {
		t.Fatalf("%v, %v", second, err)
	}
	if !LeadsTo(&fastcr.PathRef{Path: second.Path, Dev: statOf(t, second.Path).Dev, Ino: p.Ino}) {
		t.Errorf("%s is another file", second.Path)
	}
	if err := errors.Join(first.Remove(), second.Remove(), os.Remove(inner)); err != nil {
		t.Fatal(err)
	}
	// The directory is gone: one above does.
	third, err := a.LinkFD(os.Getpid(), fd, p)
	if err != nil || third.Path != dir+"/link_remap.1" {
		t.Fatalf("%v, %v", third, err)
	}
	third.Remove()
	// The descriptor is another file's by now.
	p.Ino++
	if l, err := a.LinkFD(os.Getpid(), fd, p); !errors.Is(err, unix.EBADF) {
		t.Errorf("%v, %v", l, err)
	}
	if left, _ := filepath.Glob(dir + "/link_remap.*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func statOf(t *testing.T, path string) *unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return &st
}

func TestLeadsTo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	st := statOf(t, name)
	for _, tt := range []struct {
		p    fastcr.PathRef
		want bool
	}{
		{fastcr.PathRef{Path: name, Dev: st.Dev, Ino: st.Ino}, true},
		{fastcr.PathRef{Path: name, Dev: st.Dev, Ino: st.Ino + 1}, false},
		{fastcr.PathRef{Path: name, Dev: st.Dev + 1, Ino: st.Ino, MntID: -1}, false},
		{fastcr.PathRef{Path: name + "x", Dev: st.Dev, Ino: st.Ino}, false},
	} {
		if got := LeadsTo(&tt.p); got != tt.want {
			t.Errorf("%+v: %v", tt.p, got)
		}
	}
}
