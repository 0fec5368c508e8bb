package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// ownCgroup moves the tree of pid into a new v2 cgroup of its own, which
// dumpers that freeze by cgroup want to be told. undo moves it back.
func ownCgroup(pid int) (dir string, undo func(), err error) {
	top, err := cgroup2Mount()
	if err != nil {
		return "", nil, err
	}
	p, err := procfs.NewProc(pid)
	if err != nil {
		return "", nil, err
	}
	groups, err := p.Cgroups()
	if err != nil {
		return "", nil, err
	}
	from := top
	for _, g := range groups {
		if g.HierarchyID == 0 {
			from = filepath.Join(top, g.Path)
		}
	}
	if dir, err = os.MkdirTemp(top, "fastcr-bench-"); err != nil {
		return "", nil, err
	}
	move := func(to string) {
		for _, p := range treeOf(pid) {
			_ = os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte(strconv.Itoa(p)), 0) // it may have ended
		}
	}
	move(dir)
	return dir, func() { move(from); removeCgroup(dir) }, nil
}

// removeCgroup waits a while for what is ending in it.
func removeCgroup(dir string) {
	for range 1000 {
		if err := os.Remove(dir); !errors.Is(err, unix.EBUSY) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func cgroup2Mount() (string, error) {
	mounts, err := procfs.GetMounts()
	if err != nil {
		return "", err
	}
	for _, m := range mounts {
		if m.FSType == "cgroup2" && strings.HasPrefix(m.Root, "/") {
			return m.MountPoint, nil
		}
	}
	return "", fmt.Errorf("cgroup v2 is not mounted")
}
