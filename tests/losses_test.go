package tests

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLosses: what criu's restore would make something else of is kept, or refused by name.
func TestLosses(t *testing.T) {
	const loses = "it loses it, or cannot dump it"
	for _, c := range []Case{
		{Name: "packet pipe", CRIUCannot: loses},
		{Name: "packets", CRIUCannot: loses, Refused: []string{"fd 3", "pipe:[", "packets", "boundaries"}},
		{Name: "packet FIFO", CRIUCannot: loses, Refused: []string{"fd 3", "/fifo", "O_DIRECT"}},
		{Name: "O_PATH", CRIUCannot: loses, Refused: []string{"fd 4", "memfd:place", "O_PATH"}},
		{Name: "moved watches"},
		{Name: "far watch", CRIUCannot: loses, Refused: []string{"fd 3", "eventpoll", "watches descriptor 4"}},
		{Name: "hugetlbfs", Setup: mountHuge},
		{Name: "deleted on hugetlbfs", CRIUCannot: loses, Setup: mountHuge, Refused: []string{"/huge/file", "deleted", "hugetlbfs"}},
		{Name: "SO_PASSPIDFD", CRIUCannot: loses, Refused: []string{"fd 3", "SO_PASSPIDFD"}},
		{Name: "SCHED_DEADLINE", CRIUCannot: loses, Refused: []string{"losses", "SCHED_DEADLINE"}},
		{Name: "MAP_DROPPABLE"},
	} {
		c.Source, c.Args = "losses", []string{c.Name}
		runCase(t, c)
	}
}

// mountHuge mounts a hugetlbfs in the program's directory.
func mountHuge(t *testing.T, r *Run) {
	lendHugePages(t, r)
	dir := filepath.Join(r.work, "huge")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, "hugetlbfs", 0, "pagesize=2M"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // before the programs are killed: the name goes now, the rest with them
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}
