// Package dump is the checkpoint pipeline: prepare, freeze, collect, copy,
// thaw or kill, encode, commit. Everything that can be done while the target
// runs is done while it runs.
package dump

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr/netlock"
)

// Defaults of the options, as criu has them.
const (
	DefaultTimeout    = 10 * time.Second
	DefaultGhostLimit = 1 << 20 // bytes
)

// Options say what to checkpoint and how. The zero value of everything but PID
// and ImagesDir is a default.
type Options struct {
	PID       int    // root of the tree, in fastcr's pid namespace
	ImagesDir string // an existing directory without images
	WorkDir   string // for log, pid file and statistics; default ImagesDir
	LogFile   string // relative to WorkDir; "-": standard output; empty: no log
	LogStderr bool   // without LogFile: log to standard error
	Verbosity int    // 0 quiet … 4 debug; criu's levels: 1 error, 2 warning, 3 information

	ShellJob     bool // the target belongs to a session and terminal outside of the tree
	LeaveRunning bool
	LeaveStopped bool
	RestartCalls bool // with LeaveRunning: mend calls that the freezer made return EINTR

	Timeout     time.Duration // for the freeze; default DefaultTimeout
	Workers     int           // copying threads; default: the CPUs that fastcr may use
	MemoryLimit uint64        // bytes of pages held in memory, beyond it they stream to the image; 0: half of what is free

	LinkRemap      bool
	GhostLimit     uint64 // bytes; 0: DefaultGhostLimit
	FileLocks      bool
	FileValidation string   // "filesize" or "buildid" (default)
	ManageCgroups  string   // criu's modes; default "soft"
	CgroupRoots    []string // [CONTROLLER:]/PATH: where the cgroups that are kept begin
	CgroupYard     string   // a directory with the hierarchies mounted in it, relative to WorkDir; default: /proc/self/mountinfo tells
	External       []string
	IrmapScanPaths []string // directories to look through for watched files of which the kernel has no path at hand
	ExtUnixSk      bool     // datagram sockets may be connected to named ones outside of the tree
	ActionScripts  []string

	TCPEstablished bool   // keep TCP connections
	TCPClose       bool   // keep the sockets of TCP connections, without these
	SkipInFlight   bool   // leave connections out that nobody has accepted
	NetworkLock    string // how TCPEstablished's packets are held: bpf, nftables, iptables or skip; default bpf where the kernel has it
	networkLock    netlock.Method

	PidFile string
	Version string // of the program, for the log

	Processors *Processors // what SpareTarget returned; nil: threads run anywhere
}

var cgroupModes = []string{"none", "props", "soft", "full", "strict", "ignore"}

// normalize fills defaults and rejects what makes no sense, before anything is touched.
func (o *Options) normalize() error {
	if o.PID <= 0 {
		return fmt.Errorf("pid %d is not a process: give --pid N", o.PID)
	}
	if o.ImagesDir == "" {
		o.ImagesDir = "."
	}
	if o.WorkDir == "" {
		o.WorkDir = o.ImagesDir
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.GhostLimit == 0 {
		o.GhostLimit = DefaultGhostLimit
	}
	if o.Workers == 0 {
		o.Workers = runtime.NumCPU() // honours the affinity mask
	}
	if o.Workers < 0 || o.Workers > 1024 {
		return fmt.Errorf("--workers %d: give 1 to 1024", o.Workers)
	}
	if o.ManageCgroups == "" {
		o.ManageCgroups = "soft"
	}
	if !slices.Contains(cgroupModes, o.ManageCgroups) {
		return fmt.Errorf("--manage-cgroups %s: give one of %s", o.ManageCgroups, strings.Join(cgroupModes, ", "))
	}
	for _, arg := range o.CgroupRoots {
		if _, root := splitCgroupRoot(arg); !strings.HasPrefix(root, "/") {
			return fmt.Errorf("--cgroup-root %s: give [CONTROLLER:]/PATH", arg)
		}
	}
	for _, dir := range o.IrmapScanPaths {
		if !filepath.IsAbs(dir) {
			return fmt.Errorf("--irmap-scan-path %s: give an absolute path", dir)
		}
	}
	switch o.FileValidation {
	case "":
		o.FileValidation = "buildid"
	case "filesize", "buildid":
	default:
		return fmt.Errorf("--file-validation %s: give filesize or buildid", o.FileValidation)
	}
	var err error
	if o.networkLock, err = netlock.ParseMethod(o.NetworkLock); err != nil {
		return err
	}
	if err := checkExternal(o.External); err != nil {
		return err
	}
	if o.LeaveRunning && o.LeaveStopped {
		return fmt.Errorf("--leave-running and --leave-stopped exclude each other")
	}
	if o.RestartCalls && !o.LeaveRunning {
		return fmt.Errorf("--restart-calls mends a target that goes on: give --leave-running too")
	}
	if o.MemoryLimit == 0 {
		o.MemoryLimit = freeMemory() / 2
	}
	return nil
}

// freeMemory is MemAvailable's cheaper cousin: free bytes as sysinfo(2) tells.
func freeMemory() uint64 {
	var si unix.Sysinfo_t
	if err := unix.Sysinfo(&si); err != nil {
		return 4 << 30
	}
	return (uint64(si.Freeram) + uint64(si.Bufferram)) * uint64(si.Unit)
}

// inWorkDir resolves a log or pid file's name as criu does.
func (o *Options) inWorkDir(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(o.WorkDir, name)
}

// statsInWorkDir tells whether stats-dump goes elsewhere than beside the images, as criu's does.
func (o *Options) statsInWorkDir() bool {
	return filepath.Clean(o.WorkDir) != filepath.Clean(o.ImagesDir)
}

// writePidFile writes the root's pid, as --pidfile asks.
func (o *Options) writePidFile() error {
	if o.PidFile == "" {
		return nil
	}
	f, err := os.OpenFile(o.inWorkDir(o.PidFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write pid file: %w", err)
	}
	_, err = fmt.Fprintf(f, "%d", o.PID)
	if err = errors.Join(err, f.Close()); err != nil {
		o.removePidFile()
		return fmt.Errorf("write pid file %s: %w", f.Name(), err)
	}
	return nil
}

func (o *Options) removePidFile() {
	if o.PidFile != "" {
		os.Remove(o.inWorkDir(o.PidFile))
	}
}
