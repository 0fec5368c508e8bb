package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// places are where images can be written.
type places struct {
	asked string // below which a directory is made; empty: tmpfs
	tmpfs string // of our own
	disk  string // for what does not fit into memory, made when it is needed
}

func (p *places) open() (err error) {
	if p.asked != "" {
		p.disk, err = os.MkdirTemp(p.asked, "fastcr-bench-images-")
		return err
	}
	if err := os.Mkdir(p.tmpfs, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", p.tmpfs, "tmpfs", 0, "size=90%"); err != nil {
		return fmt.Errorf("mount a tmpfs for images: %w", err)
	}
	return nil
}

func (p *places) close() {
	if p.disk != "" {
		_ = os.RemoveAll(p.disk)
	}
	if p.asked == "" {
		_ = unix.Unmount(p.tmpfs, unix.MNT_DETACH)
	}
}

// place is where one workload's images are written.
type place struct {
	dir     string
	synced  bool   // on a disk: they count as written when they are there
	unusual string // the directory, if the plan does not say it
}

// of is the place for a workload's images: the tmpfs, unless they do not fit into memory
// beside the target. (A dumper may copy the memory, if it gives back what it has written.)
func (p *places) of(w *Workload) (place, error) {
	if p.asked != "" {
		return place{dir: p.disk, synced: true}, nil
	}
	need, free := w.bytes(), FreeMemory()
	if free == 0 || 2*need+need/8 < free/10*9 {
		return place{dir: p.tmpfs}, nil
	}
	if need+need/4 > free {
		return place{}, &refusedError{fmt.Sprintf("%s: %d MiB of memory are free", notPossible, free>>20)}
	}
	const spacious = "/var/tmp"
	var st unix.Statfs_t
	if err := unix.Statfs(spacious, &st); err != nil {
		return place{}, fmt.Errorf("free space of %s: %w", spacious, err)
	}
	if room := st.Bavail * uint64(st.Bsize); st.Type == unix.TMPFS_MAGIC || room < need+need/8 {
		return place{}, &refusedError{fmt.Sprintf("%s: images of %d MiB fit neither into memory nor on %s: see --images-dir", notPossible, need>>20, spacious)}
	}
	if p.disk == "" {
		dir, err := os.MkdirTemp(spacious, "fastcr-bench-images-")
		if err != nil {
			return place{}, err
		}
		p.disk = dir
	}
	return place{dir: p.disk, synced: true, unusual: spacious}, nil
}

func (p *place) images() string { return filepath.Join(p.dir, "img") }

// fresh is an empty images directory.
func (p *place) fresh() (string, error) {
	p.clear()
	return p.images(), os.Mkdir(p.images(), 0o700)
}

func (p *place) clear() { _ = os.RemoveAll(p.images()) }

// sync has the disk hold what was written, as if the dumper had done so, and returns the
// microseconds that it took. On a tmpfs there is nothing to do.
func (p *place) sync() (took float64, err error) {
	if !p.synced {
		return 0, nil
	}
	start := time.Now()
	var dirs []string
	err = filepath.WalkDir(p.images(), func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			dirs = append(dirs, path)
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		return syncPath(path)
	})
	for _, d := range slices.Backward(dirs) { // names, once what they name is there
		err = errors.Join(err, syncPath(d))
	}
	return micros(time.Since(start)), err
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
