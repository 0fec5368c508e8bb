package restore

import "strings"

// known is what this package needs to know of criu's options; all of them are handed on.
type known struct {
	detached bool   // -d: criu's caller does not wait for the program
	execCmd  bool   // --exec-cmd: criu becomes another program, the parent of the restored one
	pidFile  string // relative to workDir
	workDir  string
	logFile  string // relative to workDir
}

// criu's short options that take a value, in the same word or the next one, and those that
// take one in the same word only.
const (
	shortWithValue = "tDorJWLM"
	shortWithGlued = "vx"
)

// longOptions are the long options that this package wants, and the shortest abbreviation
// that getopt_long accepts for each.
var longOptions = []struct {
	name, shortest string
	set            func(k *known, value string)
	value          bool
}{
	{"restore-detached", "restore-d", func(k *known, _ string) { k.detached = true }, false},
	{"no-restore-detached", "no-restore-d", func(k *known, _ string) { k.detached = false }, false},
	{"daemon", "dae", func(k *known, _ string) { k.detached = true }, false},
	{"exec-cmd", "exec", func(k *known, _ string) { k.execCmd = true }, false},
	{"pidfile", "pidf", func(k *known, v string) { k.pidFile = v }, true},
	{"work-dir", "wo", func(k *known, v string) { k.workDir = v }, true},
	{"log-file", "log-f", func(k *known, v string) { k.logFile = v }, true},
}

// otherLongWithValue are criu's other long options that take their value from the next word:
// without them a value such as "-d" would be read as an option.
var otherLongWithValue = []string{
	"tree", "images-dir", "join-ns", "root", "action-script", "address", "port", "ps-socket",
	"prev-images-dir", "libdir", "cgroup-root", "inherit-fd", "skip-mnt", "enable-fs",
	"ghost-limit", "irmap-scan-path", "lsm-profile", "lsm-mount-context", "timeout", "external",
	"empty-ns", "cgroup-props", "cgroup-props-file", "cgroup-dump-controller", "cgroup-yard",
	"status-fd", "config", "tls-cacert", "tls-cacrl", "tls-cert", "tls-key", "file-validation",
	"network-lock", "pre-dump-mode", "freeze-cgroup", "veth-pair", "ext-mount-map", "feature",
}

// scan finds the known options in a criu command line, as getopt_long(3) would.
func scan(args []string) known {
	var k known
	for i := 0; i < len(args); i++ {
		a := args[i]
		next := ""
		if i+1 < len(args) {
			next = args[i+1]
		}
		took := false
		switch {
		case a == "--":
			return k
		case strings.HasPrefix(a, "--"):
			took = k.long(a[2:], next)
		case strings.HasPrefix(a, "-"):
			took = k.short(a[1:], next)
		}
		if took {
			i++
		}
	}
	return k
}

// long reads one long option and tells whether next is its value.
func (k *known) long(option, next string) (took bool) {
	name, value, glued := strings.Cut(option, "=")
	for _, o := range longOptions {
		if !strings.HasPrefix(o.name, name) || len(name) < len(o.shortest) {
			continue
		}
		if o.value && !glued {
			value, took = next, true
		}
		o.set(k, value)
		return took
	}
	for _, o := range otherLongWithValue {
		if o == name {
			return !glued
		}
	}
	return false
}

// short reads one word of short options and tells whether next is the last one's value.
func (k *known) short(word, next string) (took bool) {
	for i, c := range word {
		if strings.ContainsRune(shortWithGlued, c) {
			return false
		}
		if strings.ContainsRune(shortWithValue, c) {
			value := word[i+1:]
			if value == "" {
				value, took = next, true
			}
			switch c {
			case 'W':
				k.workDir = value
			case 'o':
				k.logFile = value
			}
			return took
		}
		if c == 'd' {
			k.detached = true
		}
	}
	return false
}
