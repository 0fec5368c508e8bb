package freeze

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Available tells whether trees can be frozen here: nil, or why not.
func Available() error {
	ms, err := findMounts()
	if err != nil {
		return err
	}
	m := ms[0]
	if err := unix.Access(m.dir, unix.W_OK); err != nil {
		return &NoCgroup2Error{Reason: m.dir + " is not writable"}
	}
	// The root has no cgroup.freeze; any child has it since Linux 5.2.
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if _, err := os.Stat(m.dir + "/" + e.Name() + "/cgroup.freeze"); errors.Is(err, os.ErrNotExist) {
				return &NoCgroup2Error{Reason: "this kernel has no cgroup.freeze (Linux 5.2)"}
			}
			return nil
		}
	}
	return nil
}
