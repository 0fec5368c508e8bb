package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// parsed is what fastcr dump makes of a command line.
func parsed(t *testing.T, args ...string) (*dumpFlags, error) {
	t.Helper()
	var d dumpFlags
	f := pflag.NewFlagSet("dump", pflag.ContinueOnError)
	f.Usage = func() {}
	d.register(f)
	return &d, d.parse(f, args)
}

func TestSplitOptions(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "|",
		"-t 7 -D img -j":             "--tree=7 --images-dir=img --shell-job|",
		"-t7 -Dimg -jR":              "--tree=7 --images-dir=img --shell-job --leave-running|",
		"--tree 7 --images-dir=img":  "--tree=7 --images-dir=img|",
		"--images img --leave-r":     "--images-dir=img --leave-running=true|",
		"-v -vvv -v4 --verbosity":    "--verbosity --verbosity=vv --verbosity=4 --verbosity|",
		"-Rv4 -jvv":                  "--leave-running --verbosity=4 --shell-job --verbosity=v|",
		"--verbosity=4 -v=2":         "--verbosity=4 --verbosity=2|",
		"-x -x12 --ext-unix-sk=3":    "--ext-unix-sk --ext-unix-sk=12 --ext-unix-sk=3|",
		"--manage-cgroups soft":      "--manage-cgroups|soft",
		"--no-shell-job --no-tcp-cl": "--shell-job=false --tcp-close=false|",
		"--display-stats --json":     "--display-stats=true --json=true|",
		"stray -R -- -j":             "--leave-running|stray -j",
		"-o -":                       "--log-file=-|",
		"-h":                         "--help|",
		"-d -S -r / -M a:b -L lib":   "--restore-detached --restore-sibling --root=/ --ext-mount-map=a:b --libdir=lib|",
	} {
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		var d dumpFlags
		d.register(f)
		registerCriu(f)
		options, words, err := splitOptions(f, strings.Fields(in))
		got := strings.ReplaceAll(strings.Join(options, " "), "--shell-job=true", "--shell-job") + "|" + strings.Join(words, " ")
		if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestBadOptions(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	for in, want := range map[string]string{
		"--nonsense":               "unknown option --nonsense",
		"-t 7 -Z":                  "unknown option -Z",
		"-t":                       "-t needs an argument",
		"--tree":                   "--tree needs an argument",
		"--leave":                  "--leave may be --leave-running, --leave-stopped",
		"--no-shell-job=1":         "takes no argument",
		"--page-server":            "--page-server: ",
		"-t 7 --inherit-fd fd[1]x": "--inherit-fd: is an option of restore",
		"--cpu-cap":                "cpuinfo",
		"--verbosity=x":            "log level",
		"--=x":                     "unknown option --",
	} {
		_, err := parsed(t, strings.Fields(in)...)
		var usage usageError
		if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &usage) {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}

// What criu dump passes over is passed over.
func TestOptionsThatChangeNothing(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	d, err := parsed(t, strings.Fields("--tree 7 --no-default-config --no-page-server --cpu-cap=none --evasive-devices --freeze-cgroup /x "+
		"--restore-detached --weak-sysctls --empty-ns net --no-lazy-pages --ps-socket 3")...)
	if err != nil || d.opts.PID != 7 {
		t.Errorf("%+v, %v", d, err)
	}
}

// Every option of criu's is either fastcr's own or has its place in the table.
func TestEveryCriuOption(t *testing.T) {
	var d dumpFlags
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	d.register(f)
	registerCriu(f)
	names := strings.Fields(`tree leave-stopped leave-running restore-detached restore-sibling daemon images-dir work-dir log-file
		join-ns root ext-unix-sk help tcp-established close log-pid evasive-devices pidfile veth-pair action-script link-remap
		shell-job file-locks page-server address port prev-images-dir ms track-mem auto-dedup libdir cpu-cap ext-mount-map
		exec-cmd manage-cgroups cgroup-root inherit-fd feature skip-mnt enable-fs enable-external-sharing enable-external-masters
		freeze-cgroup ghost-limit lsm-profile timeout external empty-ns lazy-pages extra experimental all cgroup-props
		cgroup-props-file cgroup-dump-controller skip-in-flight deprecated display-stats weak-sysctls status-fd tcp-close verbosity ps-socket
		stream config no-default-config tls-cacert tls-cacrl tls-cert tls-key tls tls-no-cn-verify cgroup-yard pre-dump-mode
		file-validation skip-file-rwx-check lsm-mount-context network-lock mntns-compat-mode unprivileged ghost-fiemap allow-uprobes`)
	for _, name := range names {
		if f.Lookup(name) == nil {
			t.Errorf("--%s is unknown", name)
		}
	}
	for _, short := range "dSsRthDovxrjJlWLM" {
		if f.ShorthandLookup(string(short)) == nil {
			t.Errorf("-%c is unknown", short)
		}
	}
}

func TestVerbosity(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	for in, want := range map[string]verbosity{
		"": 2, "-v": 3, "-vv": 4, "-v -v -v": 5, "-v4": 4, "-v0": 0, "-v1 -vv": 3, "--verbosity": 3, "--verbosity=1": 1, "-vvvv": 6,
	} {
		if d, err := parsed(t, strings.Fields("-t 1 "+in)...); err != nil || d.verbosity != want {
			t.Errorf("%q: %d, %v; want %d", in, d.verbosity, err, want)
		}
	}
}

func TestVerbFirst(t *testing.T) {
	for in, want := range map[string]string{
		"dump -t 7":              "dump -t 7",
		"-t 7 -o dump dump -R":   "dump --tree=7 --log-file=dump --leave-running",
		"--version":              "--version",
		"-D x restore":           "-D x restore",
		"--nonsense dump":        "--nonsense dump",
		"-t 7 dump stray -D img": "dump --tree=7 --images-dir=img stray",
	} {
		if got := verbFirst(strings.Fields(in)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
