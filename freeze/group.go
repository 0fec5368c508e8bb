package freeze

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// group is one cgroup that holds tasks of the tree and nothing else: either a
// temporary child of the tasks' own cgroup, or that cgroup itself.
type group struct {
	name    string // original cgroup, as /proc/PID/cgroup names it
	origin  string // its directory
	dir     string // the directory that is frozen; equals origin when nothing had to be moved
	freezer int    // fd of cgroup.freeze
	events  int    // fd of cgroup.events
	procs   int    // fd of cgroup.procs
	frozen  bool
}

func (g *group) temporary() bool { return g.dir != g.origin }

// open opens what the freeze needs, so that nothing is opened in it.
func (g *group) open() (err error) {
	g.freezer, g.events, g.procs = -1, -1, -1
	for _, f := range []struct {
		fd    *int
		name  string
		flags int
	}{{&g.freezer, "cgroup.freeze", unix.O_RDWR}, {&g.events, "cgroup.events", unix.O_RDONLY}, {&g.procs, "cgroup.procs", unix.O_RDWR}} {
		if *f.fd, err = unix.Open(g.dir+"/"+f.name, f.flags|unix.O_CLOEXEC, 0); err != nil {
			g.close()
			return fmt.Errorf("open %s/%s: %w", g.dir, f.name, err)
		}
	}
	return nil
}

func (g *group) close() {
	for _, fd := range []*int{&g.freezer, &g.events, &g.procs} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// add moves a process in. A process that is gone or a zombie stays where it is.
func (g *group) add(pid int) error {
	return writePid(g.dir, pid)
}

// writePid moves a process to the cgroup with this directory.
func writePid(dir string, pid int) error {
	err := os.WriteFile(dir+"/cgroup.procs", []byte(strconv.Itoa(pid)), 0)
	switch {
	case err == nil, errors.Is(err, unix.ESRCH):
		return nil
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("move pid %d: %s is not a domain cgroup (threaded or invalid): %w", pid, dir, err)
	}
	return fmt.Errorf("move pid %d to %s: %w", pid, dir, err)
}

// set writes cgroup.freeze.
func (g *group) set(frozen bool) error {
	b := [1]byte{'0'}
	if frozen {
		b[0] = '1'
	}
	if _, err := unix.Pwrite(g.freezer, b[:], 0); err != nil {
		return fmt.Errorf("write %s/cgroup.freeze: %w", g.dir, err)
	}
	g.frozen = frozen
	return nil
}

var frozenLine = []byte("frozen 1")

// isFrozen reads cgroup.events; buf is scratch memory.
func (g *group) isFrozen(buf []byte) (bool, error) {
	n, err := unix.Pread(g.events, buf, 0)
	if err != nil {
		return false, fmt.Errorf("read %s/cgroup.events: %w", g.dir, err)
	}
	return bytes.Contains(buf[:n], frozenLine), nil
}

// isPopulated tells whether a process that is not a zombie is in the cgroup.
func (g *group) isPopulated(buf []byte) (bool, error) {
	n, err := unix.Pread(g.events, buf, 0)
	if err != nil {
		return false, fmt.Errorf("read %s/cgroup.events: %w", g.dir, err)
	}
	return bytes.Contains(buf[:n], []byte("populated 1")), nil
}

// dissolve moves everything in the temporary cgroup dir back to origin and removes
// it. It serves Release as well as the guardian; processes that fork meanwhile
// are moved too.
func dissolve(dir, origin string) error {
	var last error
	for range 500 {
		b, err := os.ReadFile(dir + "/cgroup.procs")
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list temporary cgroup: %w", err)
		}
		for f := range strings.FieldsSeq(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil {
				last = writePid(origin, pid)
			}
		}
		err = unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		last = errors.Join(last, err)
		if len(b) == 0 {
			time.Sleep(time.Millisecond) // tasks that exit leave the cgroup a moment later
		}
	}
	return fmt.Errorf("remove temporary cgroup %s: %w", dir, last)
}
