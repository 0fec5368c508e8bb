package images

import (
	"errors"
	"fmt"
	"github.com/fastcr/fastcr/images/pb"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// kinds are the images that Check reads from end to end, by the beginning of
// their names. The first message of a pagemap is another one than the rest.
var kinds = []struct {
	prefix string
	magic  uint32
	first  func() message // nil: as the rest
	rest   func() message
}{
	{"inventory", magicInventory, nil, func() message { return &pb.InventoryEntry{} }},
	{"pstree", magicPstree, nil, func() message { return &pb.PstreeEntry{} }},
	{"core-", magicCore, nil, func() message { return &pb.CoreEntry{} }},
	{"ids-", magicIDs, nil, func() message { return &pb.TaskKobjIdsEntry{} }},
	{"mm-", magicMM, nil, func() message { return &pb.MmEntry{} }},
	{"fs-", magicFS, nil, func() message { return &pb.FsEntry{} }},
	{"fdinfo-", magicFdinfo, nil, func() message { return &pb.FdinfoEntry{} }},
	{"files", magicFiles, nil, func() message { return &pb.FileEntry{} }},
	{"pagemap-", magicPagemap, func() message { return &pb.PagemapHead{} }, func() message { return &pb.PagemapEntry{} }},
}

// Check reads the images in dir and names the first that is missing, damaged,
// truncated or foreign.
func Check(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, inventoryName)); err != nil {
		return fmt.Errorf("%s is not a complete checkpoint: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read images: %w", err)
	}
	found := map[string]bool{}
	for _, e := range entries {
		for _, k := range kinds {
			if !strings.HasPrefix(e.Name(), k.prefix) || !strings.HasSuffix(e.Name(), ".img") {
				continue
			}
			found[k.prefix] = true
			first := k.first
			if first == nil {
				first = k.rest
			}
			if err := checkImage(filepath.Join(dir, e.Name()), k.magic, first, k.rest); err != nil {
				return err
			}
			break
		}
	}
	for _, name := range []string{"pstree", "core-", "files"} {
		if !found[name] {
			return fmt.Errorf("%s is not a complete checkpoint: there is no %s image", dir, strings.TrimSuffix(name, "-"))
		}
	}
	return nil
}

func checkImage(path string, magic uint32, first, rest func() message) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read image: %w", err)
	}
	defer f.Close()
	if err := checkMessages(f, magic, first, rest); err != nil {
		return fmt.Errorf("image %s: %w", path, err)
	}
	if strings.HasPrefix(filepath.Base(path), "pagemap-") {
		return checkPages(path)
	}
	return nil
}

func checkMessages(r io.Reader, magic uint32, first, rest func() message) error {
	in, err := newReader(r, magic)
	if err != nil {
		return err
	}
	for next := first; ; next = rest {
		if err := in.next(next()); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// checkPages wants the pages image to be as long as the pagemap says.
func checkPages(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read image: %w", err)
	}
	defer f.Close()
	in, err := newReader(f, magicPagemap)
	if err != nil {
		return fmt.Errorf("image %s: %w", path, err)
	}
	var head pb.PagemapHead
	if err := in.next(&head); err != nil {
		return fmt.Errorf("image %s: %w", path, err)
	}
	want := int64(0)
	for {
		var e pb.PagemapEntry
		if err := in.next(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("image %s: %w", path, err)
		}
		n := int64(e.GetNrPages())
		if n == 0 {
			n = int64(e.GetCompatNrPages())
		}
		if e.GetFlags() == 0 && !e.GetInParent() || e.GetFlags()&pagePresent != 0 {
			want += n * 4096
		}
	}
	pages := filepath.Join(filepath.Dir(path), fmt.Sprintf("pages-%d.img", head.GetPagesId()))
	st, err := os.Stat(pages)
	if err != nil {
		return fmt.Errorf("read image: %w", err)
	}
	if st.Size() < want {
		return fmt.Errorf("image %s: %w: %d bytes of the %d that %s names", pages, errFormat, st.Size(), want, filepath.Base(path))
	}
	return nil
}
