package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMessageQueues(t *testing.T) {
	const cannot = "no path leads to it"
	for _, c := range []Case{
		{Name: "with messages", Setup: mountQueues, Ignore: []string{"fd 3", "fd 4"}}, // by their paths from there on
		{Name: "not mounted", Refused: []string{"fd 3", "/fastcr-test", "message queue", "mount -t mqueue"}},
		{Name: "unlinked", Setup: mountQueues, Refused: []string{"fd 3", "/fastcr-test", "mq_unlink"}},
		{Name: "notified", Setup: mountQueues, Refused: []string{"fd 3", "fastcr-test", "mq_notify"}},
	} {
		if c.Name == "not mounted" && queuesMounted() {
			t.Log("message queues are mounted on this machine")
			continue
		}
		c.Source, c.Args, c.CRIUCannot, c.Cleanup = "mqueue", []string{c.Name}, cannot, removeQueue
		runCase(t, c)
	}
}

func queuesMounted() bool {
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	return strings.Contains(string(mounts), " - mqueue ")
}

// mountQueues has the programs' message queues seen in a directory.
func mountQueues(t *testing.T, r *Run) {
	dir := filepath.Join(r.work, "queues")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, "mqueue", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil { // a restored program has opened it there
			t.Error(err)
		}
	})
}

// removeQueue unlinks the queue that the program made: it outlives it.
func removeQueue(t *testing.T, dir string) {
	name, err := os.ReadFile(filepath.Join(dir, "name"))
	if err != nil {
		return // it was not made
	}
	queues := filepath.Join(dir, "unlink")
	if err := os.Mkdir(queues, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", queues, "mqueue", 0, ""); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(queues, string(name)))
	if err := unix.Unmount(queues, 0); err != nil {
		t.Error(err)
	}
}
