package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/fastcr/fastcr/dump"
)

// dumpFlags are the options of fastcr dump that are not dump.Options as they are.
type dumpFlags struct {
	opts         dump.Options
	timeout      uint
	memoryLimit  bytesValue
	ghostLimit   bytesValue
	extUnixSk    []string
	verbosity    verbosity
	displayStats bool
	json         bool
	config       string
	noConfig     bool
}

func (d *dumpFlags) register(f *pflag.FlagSet) {
	o := &d.opts
	f.IntVarP(&o.PID, "pid", "p", 0, "checkpoint the tree below this process")
	f.IntVarP(&o.PID, "tree", "t", 0, "the same, criu's name")
	f.StringVarP(&o.ImagesDir, "images-dir", "D", ".", "existing directory that takes the images")
	f.StringVarP(&o.WorkDir, "work-dir", "W", "", "directory of log and pid file (default: the images directory)")
	f.StringVarP(&o.LogFile, "log-file", "o", "", "write a log, relative to the work directory; - is standard output (default, with -v: standard error)")
	d.verbosity = defaultVerbosity
	f.VarP(&d.verbosity, "verbosity", "v", "log level: 1 errors, 2 warnings, 3 information, 4 all; -v4, or -v once or more to raise it")
	f.Lookup("verbosity").NoOptDefVal = raise
	f.BoolVarP(&o.ShellJob, "shell-job", "j", false, "the target is a job of a shell outside of the tree and uses its terminal")
	f.BoolVarP(&o.LeaveRunning, "leave-running", "R", false, "let the target run on afterwards")
	f.BoolVarP(&o.LeaveStopped, "leave-stopped", "s", false, "leave the target stopped (SIGSTOP) afterwards")
	f.BoolVar(&o.RestartCalls, "restart-calls", false, "with -R: mend system calls that the freeze made return EINTR (uses ptrace on those threads only)")
	f.UintVar(&d.timeout, "timeout", uint(dump.DefaultTimeout/time.Second), "seconds to wait for the freeze")
	f.IntVar(&o.Workers, "workers", 0, "copying threads (default: the CPUs that fastcr may use)")
	f.Var(&d.memoryLimit, "memory-limit", "bytes of pages held in memory, K/M/G; what is beyond streams to the image (default: half of what is free)")
	f.BoolVar(&o.LinkRemap, "link-remap", false, "allow a temporary hard link for a deleted file that has other names; the restore removes it")
	f.Var(&d.ghostLimit, "ghost-limit", "what a deleted file may take on its disk to be kept in the images, K/M/G (default 1M)")
	f.BoolVarP(&o.FileLocks, "file-locks", "l", false, "keep file locks")
	f.StringVar(&o.FileValidation, "file-validation", "", "how restore recognizes files: filesize or buildid (default buildid)")
	f.StringVar(&o.ManageCgroups, "manage-cgroups", "", "what of cgroups is kept: none, props, soft, full, strict, ignore (default soft)")
	f.Lookup("manage-cgroups").NoOptDefVal = "soft"
	f.Bool("ghost-fiemap", false, "accepted for criu's sake: holes of deleted files are found by SEEK_DATA")
	f.Bool("no-ghost-fiemap", false, "the same")
	f.StringArrayVar(&o.IrmapScanPaths, "irmap-scan-path", nil, "directory to look through for watched files of which the kernel has no path at hand (after it: /etc, /var/log and a few others)")
	f.Bool("force-irmap", false, "accepted for criu's sake: paths are always looked for, a restore needs them")
	f.StringArrayVar(&o.CgroupRoots, "cgroup-root", nil, "[CONTROLLER:]/PATH: keep the cgroups from there on down (default: from the processes' own)")
	f.StringVar(&o.CgroupYard, "cgroup-yard", "", "directory, relative to the work directory, in which the cgroup hierarchies are mounted, by the names of their controllers")
	f.StringArrayVar(&o.External, "external", nil, "file[MOUNT:INODE] or tty[RDEV:DEV], in hexadecimal, or unix[INODE] is not part of the checkpoint: restore is handed it (--inherit-fd)")
	f.StringSliceVarP(&d.extUnixSk, "ext-unix-sk", "x", nil, "allow datagram sockets that are connected to named ones outside of the tree; with inode numbers, these sockets only (like --external)")
	f.Lookup("ext-unix-sk").NoOptDefVal = allOutside
	f.BoolVar(&o.TCPEstablished, "tcp-established", false, "keep TCP connections; the restore wants the option too")
	f.BoolVar(&o.TCPClose, "tcp-close", false, "keep the sockets of TCP connections, closed; the restore wants the option too")
	f.BoolVar(&o.SkipInFlight, "skip-in-flight", false, "leave TCP connections out that nobody has accepted yet")
	f.StringVar(&o.NetworkLock, "network-lock", "", "how packets of TCP connections are held: bpf, nftables, iptables or skip (default: bpf where the kernel has it)")
	f.StringArrayVar(&o.ActionScripts, "action-script", nil, "script run at pre-dump and post-dump")
	f.StringVar(&o.PidFile, "pidfile", "", "write the root's pid to this file")
	f.BoolVar(&d.displayStats, "display-stats", false, "print criu's statistics")
	f.StringVar(&d.config, "config", "", "read this configuration file instead of /etc/criu/default.conf and ~/.criu/default.conf")
	f.BoolVar(&d.noConfig, "no-default-config", false, "do not read these")
	f.BoolVar(&d.json, "json", false, "print the result as one JSON object, times in microseconds")
}

func runDump(args []string) error {
	var d dumpFlags
	f := newFlags("dump", "--pid N -D DIR [OPTIONS]",
		"Checkpoints the process tree below N into DIR. Without -R or -s the tree is killed once\nthe images are complete and on disk. A directory with inventory.img is a complete checkpoint.",
		"mkdir img && fastcr dump --pid 4711 -D img -j\nfastcr dump --pid 4711 -D img -R --json")
	d.register(f)
	if err := d.parse(f, args); err != nil {
		return err
	}
	if !f.Changed("pid") && !f.Changed("tree") {
		return usageError{errors.New("which process? Give --pid N; fastcr dump --help has an example")}
	}
	if err := d.allowOutside(); err != nil {
		return err
	}
	if d.opts.Timeout = time.Duration(d.timeout) * time.Second; d.timeout == 0 {
		d.opts.Timeout = forever
	}
	d.opts.MemoryLimit = uint64(d.memoryLimit)
	d.opts.GhostLimit = uint64(d.ghostLimit)
	d.opts.Version = version()
	d.opts.Verbosity = int(d.verbosity)
	d.opts.LogStderr = d.opts.LogFile == "" && d.verbosity > defaultVerbosity

	d.opts.Processors = dump.SpareTarget(d.opts.PID) // for the rest of the program's life
	var res *dump.Result
	err := withSignals(func(ctx context.Context) (err error) {
		res, err = dump.Dump(ctx, d.opts)
		return err
	})
	if err != nil {
		var script *dump.ScriptError
		if errors.As(err, &script) && script.Code != 0 {
			fmt.Fprintf(os.Stderr, "fastcr dump: %v\n", err)
			return exitError(script.Code)
		}
		return err
	}
	return d.print(res)
}

// defaultVerbosity is criu's: errors and warnings.
const defaultVerbosity = 2

// forever is --timeout 0, which waits as long as it takes.
const forever = 10 * 365 * 24 * time.Hour

// parse reads the configuration files and the command line, which has the last word.
func (d *dumpFlags) parse(f *pflag.FlagSet, args []string) error {
	registerCriu(f)
	options, words, err := splitOptions(f, args)
	if err != nil {
		return usageError{fmt.Errorf("%w; fastcr %s --help lists the options", err, f.Name())}
	}
	if slices.Contains(options, "--help") || slices.Contains(options, "--help=true") {
		f.Usage()
		return pflag.ErrHelp
	}
	// Where the configuration is, only the command line says.
	where := pflag.NewFlagSet("", pflag.ContinueOnError)
	where.ParseErrorsAllowlist.UnknownFlags = true
	named, none := where.String("config", "", ""), where.Bool("no-default-config", false, "")
	if err := where.Parse(options); err != nil {
		return usageError{err}
	}
	for _, file := range configFiles(os.Getenv, *named, *none) {
		if err := applyConfig(f, file); err != nil {
			return err
		}
	}
	if err := parse(f, slices.Concat(options, []string{"--"}, words)); err != nil {
		return err
	}
	return refuseCriu(f)
}

// allOutside is what --ext-unix-sk means without numbers.
const allOutside = "all"

// allowOutside reads --ext-unix-sk[=INODE,…] as criu does.
func (d *dumpFlags) allowOutside() error {
	for _, ino := range d.extUnixSk {
		if ino == allOutside {
			d.opts.ExtUnixSk = true
			continue
		}
		if n, err := strconv.ParseUint(ino, 10, 32); err != nil || n == 0 {
			return usageError{fmt.Errorf("--ext-unix-sk=%s: give inode numbers of sockets, or nothing", ino)}
		}
		d.opts.External = append(d.opts.External, "unix["+ino+"]")
	}
	return nil
}

func (d *dumpFlags) print(r *dump.Result) error {
	if !d.opts.LogStderr { // where the log has them
		for _, line := range warnings(r.Lost) {
			fmt.Fprintf(os.Stderr, "fastcr dump: warning: %s\n", line)
		}
	}
	if d.json {
		return json.NewEncoder(os.Stdout).Encode(jsonResult(r))
	}
	fmt.Println(summary(r))
	if d.displayStats {
		printStats(r)
	}
	return nil
}
