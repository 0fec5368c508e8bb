package main

import (
	"fmt"

	"github.com/spf13/pflag"
)

// criuOption is an option that criu's command line has and fastcr's dump does not need.
type criuOption struct {
	name, short string
	kind        optionKind
	why         string // it cannot be done without; empty: it changes nothing, as with criu dump
}

type optionKind int

const (
	onOff optionKind = iota
	withValue
	maybeValue
)

// Reasons why an option is refused rather than passed over.
const (
	onlyRestore = "is an option of restore"
	onlyFull    = "fastcr writes complete checkpoints into a directory: criu dump and pre-dump do this"
	allProps    = "fastcr keeps the properties and controllers that criu keeps by itself: leave the option out"
)

// criuOptions are those of criu 4.2 (criu/config.c). Options of restore and of what containers
// need (namespaces are refused by name) are passed over where criu dump passes over them.
var criuOptions = []criuOption{
	{name: "page-server", why: onlyFull}, {name: "lazy-pages", why: onlyFull}, {name: "stream", why: onlyFull},
	{name: "prev-images-dir", kind: withValue, why: onlyFull},
	{name: "exec-cmd", why: onlyRestore}, {name: "mntns-compat-mode", why: onlyRestore}, {name: "inherit-fd", kind: withValue, why: onlyRestore},
	{name: "cgroup-props", kind: withValue, why: allProps}, {name: "cgroup-props-file", kind: withValue, why: allProps},
	{name: "cgroup-dump-controller", kind: withValue, why: allProps},
	{name: "ms", why: "is gone from criu too"},
	{name: "cpu-cap", kind: maybeValue, why: "fastcr writes no cpuinfo.img: criu cpuinfo dump does, where it is wanted (--cpu-cap=none is accepted)"},

	// How the tree is found, frozen and read is fastcr's own.
	{name: "freeze-cgroup", kind: withValue}, {name: "track-mem"}, {name: "auto-dedup"}, {name: "pre-dump-mode", kind: withValue},
	{name: "evasive-devices"}, {name: "unprivileged"}, {name: "allow-uprobes"}, {name: "libdir", short: "L", kind: withValue},
	{name: "deprecated"}, {name: "log-pid"}, {name: "close", kind: withValue}, {name: "status-fd", kind: withValue},
	// Without --page-server.
	{name: "address", kind: withValue}, {name: "port", kind: withValue}, {name: "ps-socket", kind: withValue}, {name: "daemon"},
	{name: "tls"}, {name: "tls-cacert", kind: withValue}, {name: "tls-cacrl", kind: withValue}, {name: "tls-cert", kind: withValue},
	{name: "tls-key", kind: withValue}, {name: "tls-no-cn-verify"},
	// Of restore.
	{name: "restore-detached", short: "d"}, {name: "restore-sibling", short: "S"}, {name: "root", short: "r", kind: withValue},
	{name: "join-ns", short: "J", kind: withValue}, {name: "veth-pair", kind: withValue}, {name: "weak-sysctls"}, {name: "skip-file-rwx-check"},
	{name: "lsm-profile", kind: withValue}, {name: "lsm-mount-context", kind: withValue},
	// Of mount and network namespaces.
	{name: "ext-mount-map", short: "M", kind: withValue}, {name: "skip-mnt", kind: withValue}, {name: "enable-fs", kind: withValue},
	{name: "enable-external-sharing"}, {name: "enable-external-masters"}, {name: "empty-ns", kind: withValue},
	// Of check.
	{name: "feature", kind: withValue}, {name: "extra"}, {name: "experimental"}, {name: "all"},
}

// registerCriu adds them, hidden, to the options that fastcr has.
func registerCriu(f *pflag.FlagSet) {
	f.BoolP("help", "h", false, "")
	_ = f.MarkHidden("help")
	for _, o := range criuOptions {
		switch {
		case f.Lookup(o.name) != nil:
			continue
		case o.kind == onOff:
			f.BoolP(o.name, o.short, false, "")
		default:
			f.StringArrayP(o.name, o.short, nil, "")
		}
		if o.kind == maybeValue {
			f.Lookup(o.name).NoOptDefVal = "all"
		}
		_ = f.MarkHidden(o.name)
	}
}

// refuseCriu is an error that says why an option that was given cannot be passed over.
func refuseCriu(f *pflag.FlagSet) error {
	for _, o := range criuOptions {
		flag := f.Lookup(o.name)
		if o.why == "" || !flag.Changed {
			continue
		}
		if v := flag.Value.String(); o.kind == onOff && v == "false" || o.name == "cpu-cap" && v == "[none]" {
			continue
		}
		return usageError{fmt.Errorf("--%s: %s", o.name, o.why)}
	}
	return nil
}
