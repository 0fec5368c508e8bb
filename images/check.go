package images

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/fastcr/fastcr/images/pb"
	"github.com/fastcr/fastcr/memory"
)

// kinds are the images that Check reads from end to end, by the beginning of their names.
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
	{"memfd", magicMemfd, nil, func() message { return &pb.MemfdInodeEntry{} }},
	{"tty-info", magicTTYInfo, nil, func() message { return &pb.TtyInfoEntry{} }},
	{"tty-data", magicTTYData, nil, func() message { return &pb.TtyDataEntry{} }},
	{"pipes-data", magicPipesData, nil, func() message { return &pb.PipeDataEntry{} }},
	{"fifo-data", magicFifoData, nil, func() message { return &pb.PipeDataEntry{} }},
	{"tcp-stream-", magicTCPStream, nil, func() message { return &pb.TcpStreamEntry{} }},
	{"sk-queues", magicSkQueues, nil, func() message { return &pb.SkPacketEntry{} }},
	{"filelocks", magicFileLocks, nil, func() message { return &pb.FileLockEntry{} }},
	{"remap-fpath", magicRemapFpath, nil, func() message { return &pb.RemapFilePathEntry{} }},
	{"ghost-file-", magicGhostFile, func() message { return &pb.GhostFileEntry{} }, func() message { return &pb.GhostChunkEntry{} }},
	{"seccomp", magicSeccomp, nil, func() message { return &pb.SeccompEntry{} }},
	{"cgroup", magicCgroup, nil, func() message { return &pb.CgroupEntry{} }},
	{"timens-", magicTimens, nil, func() message { return &pb.TimensEntry{} }},
	{"pagemap-", magicPagemap, func() message { return &pb.PagemapHead{} }, func() message { return &pb.PagemapEntry{} }},
}

// payload is how many bytes follow a message in its image.
func payload(m message) uint64 {
	switch m := m.(type) {
	case *pb.PipeDataEntry:
		return uint64(m.GetBytes())
	case *pb.TcpStreamEntry:
		return uint64(m.GetInqLen()) + uint64(m.GetOutqLen())
	case *pb.SkPacketEntry:
		return uint64(m.GetLength())
	case *pb.GhostChunkEntry:
		return m.GetLen()
	}
	return 0
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
		m := next()
		if err := in.next(m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if g, ok := m.(*pb.GhostFileEntry); ok && !g.GetChunks() {
			return nil // the content as it is
		}
		if err := in.skip(payload(m)); err != nil {
			return err
		}
	}
}

// maxPages is more than an address space has.
const maxPages = 1 << 48

// checkPages wants the pages image to be as long as the pagemap says.
func checkPages(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read image: %w", err)
	}
	defer f.Close()
	id, want, err := pagesOf(f)
	if err != nil {
		return fmt.Errorf("image %s: %w", path, err)
	}
	pages := filepath.Join(filepath.Dir(path), fmt.Sprintf("pages-%d.img", id))
	st, err := os.Stat(pages)
	if err != nil {
		return fmt.Errorf("read image: %w", err)
	}
	if st.Size() < int64(want*memory.PageSize) {
		return fmt.Errorf("image %s: %w: %d bytes of the %d that %s names", pages, errFormat, st.Size(), want*memory.PageSize, filepath.Base(path))
	}
	return nil
}

// pagesOf reads a pagemap: the number of its pages image, and how many pages are in that.
func pagesOf(r io.Reader) (id uint32, pages uint64, err error) {
	in, err := newReader(r, magicPagemap)
	if err != nil {
		return 0, 0, err
	}
	var head pb.PagemapHead
	if err := in.next(&head); err != nil {
		return 0, 0, fmt.Errorf("%w: no number of the pages image", errFormat)
	}
	for {
		var e pb.PagemapEntry
		if err := in.next(&e); errors.Is(err, io.EOF) {
			return head.GetPagesId(), pages, nil
		} else if err != nil {
			return 0, 0, err
		}
		n := e.GetNrPages()
		if n == 0 {
			n = uint64(e.GetCompatNrPages())
		}
		if n > maxPages-pages {
			return 0, 0, fmt.Errorf("%w: %d pages", errFormat, n)
		}
		if e.GetFlags() == 0 && !e.GetInParent() || e.GetFlags()&pagePresent != 0 {
			pages += n
		}
	}
}
