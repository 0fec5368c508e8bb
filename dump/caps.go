package dump

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// neededCaps are the capabilities without which no dump succeeds, and what for.
var neededCaps = []struct {
	bit  int
	name string
}{
	{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},             // map_files, cgroups, seccomp filters
	{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},           // process_vm_readv, pidfd_getfd
	{unix.CAP_BPF, "CAP_BPF"},                         // the iterators
	{unix.CAP_PERFMON, "CAP_PERFMON"},                 // reading kernel memory in them
	{unix.CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"}, // other users' files
	{unix.CAP_KILL, "CAP_KILL"},                       // other users' processes
	{unix.CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE"},
}

// checkCaps names every capability that is missing.
func checkCaps() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return fmt.Errorf("read own capabilities: %w", err)
	}
	effective := uint64(data[1].Effective)<<32 | uint64(data[0].Effective)
	var missing []string
	for _, c := range neededCaps {
		if effective&(1<<c.bit) == 0 {
			missing = append(missing, c.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing %s: run fastcr as root or grant it", strings.Join(missing, ", "))
	}
	return nil
}
