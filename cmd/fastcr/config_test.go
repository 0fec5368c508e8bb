package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseConfig(t *testing.T) {
	text := strings.Join([]string{
		"",
		"# comment",
		"#comment",
		"tcp-close #comment",
		" \ttcp-close",
		"tcp-close   ",
		"verbosity 4",
		"verbosity 4#comment",
		"verbosity\t4  # comment",
		`test "test"`,
		`one "aaaaa \"bbbbbb\""`,
		`lsm-profile "" # more comments`,
		`lsm-profile "something"# comment`,
		`lsm-profile "selinux:something\"with\"quotes"`,
		`work-dir "/tmp with spaces"`,
		`work-dir "/tmp/#1"`,
		"last no newline",
	}, "\n")
	entries, err := parseConfig(text)
	if err == nil || !strings.HasPrefix(err.Error(), "17: last:") {
		t.Fatal(entries, err)
	}
	if entries, err = parseConfig(strings.TrimSuffix(text, " newline")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		s := e.name
		if e.hasValue {
			s += "=" + e.value
		}
		got = append(got, s)
	}
	want := []string{
		"tcp-close", "tcp-close", "tcp-close", "verbosity=4", "verbosity=4", "verbosity=4", "test=test", `one=aaaaa "bbbbbb"`,
		"lsm-profile=", "lsm-profile=something", `lsm-profile=selinux:something"with"quotes`, "work-dir=/tmp with spaces",
		"work-dir=/tmp/#1", "last=no",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if entries[0].line != 4 {
		t.Errorf("line %d", entries[0].line)
	}
	for _, bad := range []string{`verbosity "`, `a "b`, `a "b" c`, "a b c", `a "b"c`, `a "b\"`} {
		if entries, err := parseConfig("x 1\n" + bad + "\n"); err == nil || !strings.HasPrefix(err.Error(), "2: ") {
			t.Errorf("%s: %v, %v", bad, entries, err)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add("tcp-established\nwork-dir \"/home/USERNAME/criu/my \\\"work\\\" directory\"\n#this is a comment\nno-restore-sibling   # this is another comment\n")
	f.Add("a \"\n")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := parseConfig(text)
		if err != nil {
			return
		}
		var again strings.Builder
		for _, e := range entries {
			if e.name == "" || strings.ContainsAny(e.name, " \t\n") || e.value != "" && !e.hasValue {
				t.Fatalf("%+v of %q", e, text)
			}
			again.WriteString(e.name)
			if e.hasValue {
				again.WriteString(` "` + strings.ReplaceAll(e.value, `"`, `\"`) + `"`)
			}
			again.WriteString("\n")
		}
		back, err := parseConfig(again.String())
		if err != nil && !strings.ContainsAny(text, "\\\"") {
			t.Fatalf("%q: %v", again.String(), err)
		}
		for i := range back {
			back[i].line = entries[i].line
		}
		if err == nil && !strings.ContainsAny(text, "\\\"") && !reflect.DeepEqual(back, entries) {
			t.Fatalf("%q became %q", text, again.String())
		}
	})
}

func TestConfigFiles(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			if i := slices.Index(pairs, name); i >= 0 {
				return pairs[i+1]
			}
			return ""
		}
	}
	for _, tt := range []struct {
		env   func(string) string
		named string
		none  bool
		want  string
	}{
		{env(), "", false, "/etc/criu/default.conf"},
		{env("HOME", "/root", configEnv, "/e"), "", false, "/etc/criu/default.conf /root/.criu/default.conf /e"},
		{env("HOME", "/root"), "mine", false, "mine"},
		{env("HOME", "/root", configEnv, "/e"), "mine", false, "/e mine"},
		{env("HOME", "/root", configEnv, "/e"), "", true, "/e"},
	} {
		if got := strings.Join(configFiles(tt.env, tt.named, tt.none), " "); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// config writes a configuration file, and keeps the machine's own out.
func config(t *testing.T, text string) string {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	name := filepath.Join(t.TempDir(), "conf")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// The command line has the last word, a later file the one before.
func TestConfigAndCommandLine(t *testing.T) {
	t.Setenv(configEnv, config(t, "timeout 20\nghost-limit 2M\nlink-remap\nexternal tty[1:2]\nverbosity 4\nno-file-locks\n"))
	name := config(t, "timeout 30\nshell-job # always\nexternal file[1:2]\nmanage-cgroups\nrestore-detached\nlsm-profile a:b\n")
	d, err := parsed(t, "-t", "7", "--config", name, "--timeout", "40", "--no-shell-job", "--external", "unix[9]", "-l")
	if err != nil {
		t.Fatal(err)
	}
	if d.timeout != 40 || d.opts.ShellJob || !d.opts.LinkRemap || !d.opts.FileLocks || d.verbosity != 4 || d.ghostLimit != 2<<20 || d.opts.ManageCgroups != "soft" {
		t.Errorf("%+v", d)
	}
	if want := []string{"tty[1:2]", "file[1:2]", "unix[9]"}; !slices.Equal(d.opts.External, want) {
		t.Errorf("external %q, want %q", d.opts.External, want)
	}
}

func TestBadConfig(t *testing.T) {
	for text, want := range map[string]string{
		"nonsense\n":            "conf:1: unknown option --nonsense",
		"\n\ntimeout never\n":   "conf:3: ",
		"timeout\n":             "conf:1: timeout needs an argument",
		"shell-job yes\n":       "conf:1: shell-job takes no argument",
		"page-server\n":         "--page-server: ",
		"work-dir a b\n":        "conf:1: work-dir: ",
		"manage-cgroups \"a\n":  "conf:1: manage-cgroups: a double quote is missing",
		"prev-images-dir ../1 ": "--prev-images-dir: ",
	} {
		if _, err := parsed(t, "-t", "7", "--config="+config(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := parsed(t, "-t", "7", "--config="+filepath.Join(t.TempDir(), "none")); err != nil {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := parsed(t, "-t", "7", "--config="+t.TempDir()); err == nil {
		t.Error("a directory was read")
	}
}
