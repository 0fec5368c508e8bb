package tests

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestInterruptedCalls(t *testing.T) {
	c := Case{Name: "restarted in the image", Source: "syscalls", Cleanup: removeSemaphores,
		Ignore: []string{"SigBlk"}, // temporary in half of the calls; the program looks itself
		Once:   true}               // the semaphores are gone once it ran on
	runCase(t, c)
	if tools.dumper == "fastcr" {
		c.Name, c.LiveFlags = "restarted in the program too", []string{"--restart-calls"}
		runCase(t, c)
	}
}

// removeSemaphores removes the set that the program named, should it have been killed.
func removeSemaphores(_ *testing.T, dir string) {
	b, _ := os.ReadFile(filepath.Join(dir, "semid"))
	if id, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
		_, _, _ = unix.Syscall6(unix.SYS_SEMCTL, uintptr(id), 0, 0 /* IPC_RMID */, 0, 0, 0)
	}
}
