package freeze

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// group is one cgroup that holds tasks of the tree and nothing else: a temporary
// child of the tasks' own cgroup, or the tree's own cgroup with all below it.
type group struct {
	name      string // original cgroup, as /proc/PID/cgroup names it
	origin    string // its directory
	dir       string // the directory that is frozen; origin itself when nothing was moved
	inside    string // dir, as /proc/PID/cgroup names it
	temporary bool

	freezer int    // fd of dir/cgroup.freeze
	events  int    // fd of dir/cgroup.events
	killer  int    // fd of dir/cgroup.kill, -1 before Linux 5.14
	nodes   []node // dir, then the cgroups below it
	frozen  bool   // was told to freeze
}

// node is one cgroup whose processes are read.
type node struct {
	fd    int    // of its directory
	procs int    // of its cgroup.procs
	links uint64 // of its directory, which says how many children it has
}

// temporaryGroup names the temporary child of the cgroup at directory origin.
func temporaryGroup(name, origin string, root int) *group {
	base := fmt.Sprintf("fastcr.%d.%d", os.Getpid(), root)
	return &group{name: name, origin: origin, dir: origin + "/" + base, inside: path.Join(name, base), temporary: true}
}

// IsTemporary tells whether a cgroup has the name of one that holds a tree during a dump.
func IsTemporary(cgroup string) bool {
	var pid, root int
	base := path.Base(cgroup)
	n, _ := fmt.Sscanf(base, "fastcr.%d.%d", &pid, &root)
	return n == 2 && base == fmt.Sprintf("fastcr.%d.%d", pid, root)
}

// open opens what the freeze needs, so that nothing is opened in it.
func (g *group) open() (err error) {
	g.freezer, g.events, g.killer = -1, -1, -1
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.freezer, err = openAt(g.dir, "cgroup.freeze", unix.O_RDWR); err != nil {
		return err
	}
	if g.events, err = openAt(g.dir, "cgroup.events", unix.O_RDONLY); err != nil {
		return err
	}
	if g.killer, err = openAt(g.dir, "cgroup.kill", unix.O_WRONLY); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return g.openNodes()
}

// openNodes opens dir and all cgroups that are below it now.
func (g *group) openNodes() error {
	dirs, err := cgroupsBelow(g.dir)
	if err != nil {
		return err
	}
	g.closeNodes()
	for _, dir := range append([]string{g.dir}, dirs...) {
		n, err := openNode(dir)
		if err != nil {
			return err
		}
		g.nodes = append(g.nodes, n)
	}
	return nil
}

func openNode(dir string) (n node, err error) {
	if n.fd, err = openAt(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY); err != nil {
		return n, err
	}
	if n.procs, err = openAt(dir, "cgroup.procs", unix.O_RDWR); err != nil {
		unix.Close(n.fd)
		return n, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(n.fd, &st); err != nil {
		unix.Close(n.fd)
		unix.Close(n.procs)
		return n, fmt.Errorf("stat of cgroup %s: %w", dir, err)
	}
	n.links = uint64(st.Nlink) // 32 bits wide on some machines
	return n, nil
}

func openAt(dir, name string, flags int) (int, error) {
	fd, err := unix.Open(dir+"/"+name, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s/%s: %w", dir, name, err)
	}
	return fd, nil
}

func (g *group) close() {
	for _, fd := range []*int{&g.freezer, &g.events, &g.killer} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
	g.closeNodes()
}

func (g *group) closeNodes() {
	for _, n := range g.nodes {
		unix.Close(n.fd)
		unix.Close(n.procs)
	}
	g.nodes = g.nodes[:0]
}

// thawed and frozen are what is written to cgroup.freeze.
var thawed, frozen = []byte("0"), []byte("1")

// set writes cgroup.freeze.
func (g *group) set(what []byte) error {
	if _, err := unix.Pwrite(g.freezer, what, 0); err != nil {
		return fmt.Errorf("write %s/cgroup.freeze: %w", g.dir, err)
	}
	return nil
}

var frozenLine = []byte("frozen 1")

// has reads cgroup.events and tells whether this line is in it; buf is scratch memory.
func (g *group) has(line, buf []byte) (bool, error) {
	n, err := unix.Pread(g.events, buf, 0)
	if err != nil {
		return false, fmt.Errorf("read %s/cgroup.events: %w", g.dir, err)
	}
	return bytes.Contains(buf[:n], line), nil
}

// members appends the processes in the cgroup to pids; buf is scratch memory.
func (g *group) members(pids []int, buf []byte) ([]int, error) {
	for i := range g.nodes {
		pid := 0
		for off := int64(0); ; {
			n, err := unix.Pread(g.nodes[i].procs, buf, off)
			// A threaded cgroup shows its processes in the domain above it.
			if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP) || err == nil && n == 0 {
				break
			}
			if err != nil {
				return pids, fmt.Errorf("read cgroup.procs in %s: %w", g.dir, err)
			}
			off += int64(n)
			for _, c := range buf[:n] {
				if c != '\n' {
					pid = pid*10 + int(c-'0')
					continue
				}
				if pid != 0 { // 0: one that our pid namespace does not show
					pids = append(pids, pid)
				}
				pid = 0
			}
		}
	}
	return pids, nil
}

// grown tells whether cgroups were made or removed below g since its nodes were opened.
func (g *group) grown() (bool, error) {
	for i := range g.nodes {
		var st unix.Stat_t
		if err := unix.Fstat(g.nodes[i].fd, &st); err != nil {
			return false, fmt.Errorf("stat of a cgroup in %s: %w", g.dir, err)
		}
		if uint64(st.Nlink) != g.nodes[i].links {
			return true, nil
		}
	}
	return false, nil
}

// cgroupsBelow lists the directories of the cgroups below dir, each before those
// below it.
func cgroupsBelow(dir string) (below []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil, nil // removed meanwhile
	}
	if err != nil {
		return nil, fmt.Errorf("list cgroups below %s: %w", dir, err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		sub := dir + "/" + e.Name()
		deeper, err := cgroupsBelow(sub)
		if err != nil {
			return nil, err
		}
		below = append(append(below, sub), deeper...)
	}
	return below, nil
}
