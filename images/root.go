package images

import (
	"errors"
	"fmt"
	"github.com/fastcr/fastcr/images/pb"
	"io"
	"os"
	"path/filepath"
)

// Root returns the pid of the root of the tree in dir, the first entry of pstree.img. It is
// an error if a process or thread that pstree.img names has no core image.
func Root(dir string) (int, error) {
	path := filepath.Join(dir, "pstree.img")
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read image: %w", err)
	}
	defer f.Close()
	in, err := newReader(f, magicPstree)
	if err != nil {
		return 0, fmt.Errorf("image %s: %w", path, err)
	}
	root := 0
	for {
		var e pb.PstreeEntry
		if err := in.next(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return 0, fmt.Errorf("image %s: %w", path, err)
		}
		if root == 0 {
			root = int(e.GetPid())
		}
		if err := coresExist(dir, &e); err != nil {
			return 0, err
		}
	}
	if root == 0 {
		return 0, fmt.Errorf("image %s: %w: no process", path, errFormat)
	}
	return root, nil
}

func coresExist(dir string, e *pb.PstreeEntry) error {
	tids := []uint32{e.GetPid()}
	if len(e.GetThreads()) > 1 { // criu gives a zombie one thread with a number of chance
		tids = e.GetThreads()
	}
	for _, tid := range tids {
		if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf("core-%d.img", tid))); err != nil {
			return fmt.Errorf("%s is not a complete checkpoint: thread %d of %d: %w", dir, tid, e.GetPid(), err)
		}
	}
	return nil
}
