package images

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// names lists what is in a directory.
func names(t testing.TB, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func put(t *testing.T, d *Dir, magic uint32, name string) {
	t.Helper()
	if err := d.put(name, newImage(magic)); err != nil {
		t.Fatal(err)
	}
}

func TestCreateNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	full := filepath.Join(dir, "full")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(full, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(full, "core-1.img"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "missing"): "does not exist",
		file:                          "is not a directory",
		full:                          "is not empty: it holds core-1.img",
	} {
		if _, err := Create(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Create(%s): %v, want %q", filepath.Base(path), err, want)
		}
	}
}

func TestCreateToleratesLogs(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dump.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	d.Abort()
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("after Abort: %q", got)
	}
}

func TestCommitFollowsALink(t *testing.T) {
	dir, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	d, err := Create(link)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Abort()
	put(t, d, magicInventory, inventoryName)
	put(t, d, magicPstree, "pstree.img")
	if got := names(t, dir); len(got) != 1 || !strings.HasPrefix(got[0], ".fastcr-") {
		t.Errorf("before Commit: %q", got)
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(names(t, dir), " "); got != "inventory.img pstree.img" {
		t.Errorf("after Commit: %q", got)
	}
	d.Abort()
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("Abort after Commit left %q", got)
	}
}

func TestCommitWantsAnInventory(t *testing.T) {
	dir := t.TempDir()
	d, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	put(t, d, magicPstree, "pstree.img")
	if err := d.Commit(); err == nil {
		t.Error("committed without an inventory")
	}
	d.Abort()
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("after Abort: %q", got)
	}
}

// Two dumps into one directory: the second one to finish leaves the first one's images alone.
func TestCommitReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	var dirs []*Dir
	for _, own := range []string{"core-1.img", "core-2.img"} {
		d, err := Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		put(t, d, magicCore, own)
		put(t, d, magicPstree, "pstree.img")
		put(t, d, magicInventory, inventoryName)
		dirs = append(dirs, d)
	}
	if err := dirs[0].Commit(); err != nil {
		t.Fatal(err)
	}
	if err := dirs[1].Commit(); err == nil {
		t.Error("the second commit replaced the first one's images")
	}
	dirs[1].Abort()
	if got := strings.Join(names(t, dir), " "); got != "core-1.img inventory.img pstree.img" {
		t.Errorf("left: %q", got)
	}
}

func TestReserve(t *testing.T) {
	d, err := Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Abort()
	if err := d.Reserve(1); err != nil {
		t.Error(err)
	}
	if err := d.Reserve(1 << 62); err == nil || !strings.Contains(err.Error(), "MiB free") {
		t.Errorf("4 EiB: %v", err)
	}
}

// A fastcr that is killed while it commits leaves images without an inventory: no checkpoint,
// and nothing that a later dump would take for its own.
func TestKilledWhileCommitting(t *testing.T) {
	dir := t.TempDir()
	d, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	put(t, d, magicInventory, inventoryName)
	put(t, d, magicPstree, "pstree.img")
	if err := d.move("pstree.img"); err != nil {
		t.Fatal(err)
	}
	d.unlock() // as its death does
	if err := Check(dir); err == nil || !strings.Contains(err.Error(), "not a complete checkpoint") {
		t.Errorf("Check: %v", err)
	}
	if _, err := Create(dir); err == nil || !strings.Contains(err.Error(), "pstree.img") {
		t.Errorf("a second dump: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "pstree.img")); err != nil {
		t.Fatal(err)
	}
	second, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	second.Abort()
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

// When it is the inventory that cannot be moved into place, nothing else stays either.
func TestCommitFailsAtTheInventory(t *testing.T) {
	dir := t.TempDir()
	d, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	put(t, d, magicInventory, inventoryName)
	put(t, d, magicPstree, "pstree.img")
	if err := os.WriteFile(filepath.Join(dir, inventoryName), []byte("somebody else's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); err == nil {
		t.Error("an inventory was replaced")
	}
	d.Abort()
	if got := strings.Join(names(t, dir), " "); got != inventoryName {
		t.Errorf("left: %q", got)
	}
}
