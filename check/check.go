// Package check tells what this machine has of what fastcr needs, what is missing, and
// what follows from it.
package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr/freeze"
	"github.com/fastcr/fastcr/memory"
	"github.com/fastcr/fastcr/restore"
)

// Feature is one thing that was looked for.
type Feature struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Needed  bool   `json:"needed"` // nothing works without it
	Detail  string `json:"detail"`
	Follows string `json:"follows,omitempty"` // what follows when it is missing
}

// Probes are looks that need packages which check does not import.
type Probes struct {
	Iterators  func() error           // loads fastcr's BPF programs
	PacketLock func() (string, error) // makes a lock of TCP connections and tells of what
}

// Run looks at everything. Nothing on the machine is changed.
func Run(ctx context.Context, p Probes) []Feature {
	return []Feature{
		kernel(),
		btf(),
		verdict("iterators", p.Iterators(), "fastcr's BPF programs load", "no dump: the state of a target cannot be read", true),
		verdict("freezer", freeze.Available(), "cgroup v2 is mounted and has cgroup.freeze", "no dump: a target cannot be held still", true),
		capabilities(),
		verdict("pagemap scan", memory.ScanAvailable(), "PAGEMAP_SCAN", "pages are found by reading /proc/PID/pagemap, about ten times slower", false),
		verdict("userfaultfd", tracking(), "WP_ASYNC: memory can be tracked while the target runs", "memory cannot be tracked while the target runs; dumps work", false),
		packetLock(p),
		verdict("pidfd_getfd", pidfdGetfd(), "open files can be asked for what they hold", "no dump of programs with pipes or sockets that hold data", true),
		criu(ctx),
	}
}

func verdict(name string, err error, good, follows string, needed bool) Feature {
	f := Feature{Name: name, OK: err == nil, Needed: needed, Detail: good}
	if err != nil {
		f.Detail, f.Follows = err.Error(), follows
	}
	return f
}

func packetLock(p Probes) Feature {
	of, err := p.PacketLock()
	return verdict("packet lock", err, "TCP connections are held with "+of,
		"no dump with --tcp-established, unless with --network-lock skip: peers may reset connections then", false)
}

func kernel() Feature {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return verdict("kernel", err, "", "unknown", true)
	}
	f := Feature{Name: "kernel", OK: runtime.GOARCH == "amd64", Needed: true,
		Detail: "Linux " + unix.ByteSliceToString(u.Release[:]) + ", " + runtime.GOARCH}
	if !f.OK {
		f.Follows = "no dump: fastcr reads registers of x86-64 only"
	}
	return f
}

func btf() Feature {
	_, err := os.Stat("/sys/kernel/btf/vmlinux")
	return verdict("BTF", err, "/sys/kernel/btf/vmlinux", "no dump: use a kernel with CONFIG_DEBUG_INFO_BTF", true)
}

// caps are the capabilities that a dump or criu's restore uses.
var caps = []struct {
	bit    int
	name   string
	needed bool
}{
	{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN", true}, {unix.CAP_BPF, "CAP_BPF", true}, {unix.CAP_PERFMON, "CAP_PERFMON", true},
	{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE", true}, {unix.CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE", true},
	{unix.CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", true}, {unix.CAP_KILL, "CAP_KILL", true},
	{unix.CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE", false},
}

func capabilities() Feature {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return verdict("capabilities", err, "", "unknown", true)
	}
	have := uint64(data[1].Effective)<<32 | uint64(data[0].Effective)
	f := Feature{Name: "capabilities", OK: true, Needed: true, Detail: "all that a dump needs"}
	var missing, optional []string
	for _, c := range caps {
		switch {
		case have&(1<<c.bit) != 0:
		case c.needed:
			missing = append(missing, c.name)
		default:
			optional = append(optional, c.name)
		}
	}
	if len(optional) > 0 {
		f.Detail += "; without " + strings.Join(optional, ", ") + " criu cannot raise limits at the restore"
	}
	if len(missing) > 0 {
		f.OK, f.Detail, f.Follows = false, "missing "+strings.Join(missing, ", "), "no dump: run fastcr as root"
	}
	return f
}

func pidfdGetfd() error {
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, pidfd, 0)
	if err != nil {
		return fmt.Errorf("pidfd_getfd: %w", err)
	}
	return unix.Close(fd)
}

func criu(ctx context.Context) Feature {
	c, err := restore.Find(ctx)
	var none *restore.NoCriuError
	if errors.As(err, &none) {
		return verdict("criu", err, "", "dumps work, fastcr restore does not", false)
	}
	if err != nil {
		return verdict("criu", err, "", "fastcr restore does not work", false)
	}
	return Feature{Name: "criu", OK: true, Detail: c.Path + ", version " + c.Version}
}
