package images

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckTakesWhatIsWritten(t *testing.T) {
	tree, opts := sampleTree()
	if err := Check(encoded(t, tree, opts)); err != nil {
		t.Error(err)
	}
}

// Every image that is read to its end is missed when it is cut, and recognized as
// foreign when it begins with something else.
func TestCheckNamesTheDamagedImage(t *testing.T) {
	tree, opts := sampleTree()
	whole := encoded(t, tree, opts)
	for _, name := range []string{
		"inventory.img", "pstree.img", "core-100.img", "core-101.img", "ids-100.img", "mm-100.img", "fs-100.img",
		"fdinfo-2.img", "files.img", "pipes-data.img", "remap-fpath.img", "ghost-file-1.img", "pagemap-100.img", "pagemap-shmem-1.img", "memfd.img", "seccomp.img", "timens-0.img", "pages-1.img", "pages-2.img",
	} {
		b, err := os.ReadFile(filepath.Join(whole, name))
		if err != nil {
			t.Fatal(err)
		}
		damaged := map[string][]byte{"truncated": b[:len(b)-1]}
		if !strings.HasPrefix(name, "pages-") { // pages are bytes of any kind
			damaged["foreign"] = append([]byte("ELF\x7f\x01\x02\x03\x04"), b[8:]...)
			damaged["empty"] = nil
		}
		if name == "seccomp.img" { // its one message is empty here
			damaged["truncated"] = b[:len(b)-2]
		}
		for how, content := range damaged {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := Check(dir); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s %s: %v", how, name, err)
			}
		}
	}
}

func TestCheckNamesTheMissingImage(t *testing.T) {
	tree, opts := sampleTree()
	for _, name := range []string{"inventory.img", "pstree.img", "files.img", "pages-1.img"} {
		dir := encoded(t, tree, opts)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := Check(dir); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(name, ".img")) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// FuzzImages reads arbitrary bytes as an image of any kind: an error or messages, never more memory
// than there is input.
func FuzzImages(f *testing.F) {
	tree, opts := sampleTree()
	dir := encoded(f, tree, opts)
	for _, name := range names(f, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		for i, k := range kinds {
			if strings.HasPrefix(name, k.prefix) {
				f.Add(uint8(i), b)
				f.Add(uint8(i), b[:len(b)*2/3])
				f.Add(uint8(i), append(b[:8:8], 0xff, 0xff, 0xff, 0xff))
			}
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		k := kinds[int(kind)%len(kinds)]
		first := k.first
		if first == nil {
			first = k.rest
		}
		if err := checkMessages(bytes.NewReader(b), k.magic, first, k.rest); err != nil && !errors.Is(err, errFormat) {
			t.Fatalf("an error that does not say what is wrong: %v", err)
		}
		if _, n, err := pagesOf(bytes.NewReader(b)); n > maxPages || err != nil && !errors.Is(err, errFormat) {
			t.Fatalf("%d pages, %v", n, err)
		}
	})
}

// FuzzNotes looks for a build id in arbitrary bytes.
func FuzzNotes(f *testing.F) {
	f.Add([]byte("\x04\x00\x00\x00\x04\x00\x00\x00\x03\x00\x00\x00GNU\x00abcd"))
	f.Add([]byte("\x05\x00\x00\x00\xff\xff\xff\xff\x03\x00\x00\x00GNU\x00abcd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if id := findNote(b, binary.LittleEndian, 3); len(id) > len(b) {
			t.Fatalf("an id of %d bytes in %d", len(id), len(b))
		}
	})
}
