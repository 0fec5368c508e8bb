package tests

import (
	"os"
	"path/filepath"
	"strings"
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
		{Name: "SO_TIMESTAMP", Verify: warned("SO_TIMESTAMP is not in the images"), CRIUCannot: "it loses it without a word"},
		{Name: "SO_TIMESTAMPING", CRIUCannot: loses, Refused: []string{"fd 3", "SO_TIMESTAMPING"}},
		{Name: "SCHED_DEADLINE", CRIUCannot: loses, Refused: []string{"losses", "SCHED_DEADLINE"}},
		{Name: "SO_PEEK_OFF", CRIUCannot: loses, Refused: []string{"fd 3", "SO_PEEK_OFF"}},
		{Name: "SCHED_RESET_ON_FORK"},
		{Name: "SCHED_RR"},
		{Name: "PR_SET_MDWE", CRIUCannot: loses, Refused: []string{"losses", "PR_SET_MDWE"}},
		{Name: "MCL_FUTURE", CRIUCannot: loses, Refused: []string{"losses", "MCL_FUTURE"}},
		{Name: "MAP_DROPPABLE"},
	} {
		if probe := newerKernels[c.Name]; probe != nil {
			if err := probe(); err != nil {
				t.Logf("this kernel has no %s: %v", c.Name, err)
				continue
			}
		}
		c.Source, c.Args = "losses", []string{c.Name}
		runCase(t, c)
	}
}

// warned wants words in the log of the dump.
func warned(words string) func(*testing.T, *Run) {
	return func(t *testing.T, r *Run) {
		t.Helper()
		if log, _ := os.ReadFile(r.log); !strings.Contains(string(log), words) {
			t.Errorf("the log does not say %q:\n%s", words, log)
		}
	}
}

// newerKernels probes what Linux 6.1 does not have.
var newerKernels = map[string]func() error{
	"SO_PASSPIDFD": func() error { // 6.5
		s, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(s[0])
		defer unix.Close(s[1])
		return unix.SetsockoptInt(s[0], unix.SOL_SOCKET, unix.SO_PASSPIDFD, 1)
	},
	"PR_SET_MDWE": func() error { return unix.Prctl(unix.PR_GET_MDWE, 0, 0, 0, 0) }, // 6.3
	"MAP_DROPPABLE": func() error { // 6.11
		m, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_DROPPABLE|unix.MAP_ANONYMOUS)
		if err != nil {
			return err
		}
		return unix.Munmap(m)
	},
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
