package restore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeCriu writes a program named criu.
func fakeCriu(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "criu")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindByName(t *testing.T) {
	for _, c := range []struct {
		script, version string
		words           []string // of the error
	}{
		{`echo Version: 4.1`, "4.1", nil},
		{`printf 'Version: 4.2.1\nGitID: v4.2.1\n'`, "4.2.1", nil},
		{`echo Version: 4.10-rc1`, "4.10-rc1", nil},
		{`echo Version: 5.0`, "5.0", nil},
		{`echo Version: 3.17.1`, "", []string{"4.1 or newer is needed", "is 3.17.1", "install"}},
		{`echo Version: 4.0`, "", []string{"4.1 or newer", "is 4.0"}},
		{`echo vDSO area bounds >&2; exit 1`, "", []string{"does not start", "vDSO area bounds"}},
		{`exit 3`, "", []string{"does not start", "exit status 3"}},
		{`echo hello`, "", []string{"does not say its version", "hello"}},
		{`echo Version: x.y`, "", []string{"does not say its version"}},
	} {
		path := fakeCriu(t, c.script)
		t.Setenv("FASTCR_CRIU", path)
		found, err := Find(context.Background())
		if c.version != "" {
			if err != nil || found.Path != path || found.Version != c.version {
				t.Errorf("%s: found %+v, %v", c.script, found, err)
			}
			continue
		}
		var none *NoCriuError
		if !errors.As(err, &none) {
			t.Errorf("%s: found %+v, %v", c.script, found, err)
			continue
		}
		for _, w := range append(c.words, path) {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", c.script, err, w)
			}
		}
	}
}

func TestFindNamesTheFileThatIsNotThere(t *testing.T) {
	t.Setenv("FASTCR_CRIU", "/nonexistent/criu")
	_, err := Find(context.Background())
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/criu") || !strings.Contains(err.Error(), "no such file") {
		t.Fatal(err)
	}
}

func TestFindInPath(t *testing.T) {
	old, good := fakeCriu(t, "echo Version: 3.17.1"), fakeCriu(t, "echo Version: 4.2")
	t.Setenv("FASTCR_CRIU", "")
	t.Setenv("PATH", filepath.Dir(old)+":"+filepath.Dir(good)+":/bin:/usr/bin")
	found, err := Find(context.Background())
	if err != nil || found.Path != good || found.Major != 4 || found.Minor != 2 {
		t.Fatalf("found %+v, %v", found, err)
	}
}

func TestFindStopsWithItsContext(t *testing.T) {
	t.Setenv("FASTCR_CRIU", fakeCriu(t, "exec sleep 100"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if found, err := Find(ctx); err == nil {
		t.Fatalf("found %+v", found)
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("Version: 4.2.1\n")
	f.Add("Version: 4.\nVersion: ")
	f.Fuzz(func(t *testing.T, out string) {
		if c, err := parseVersion("criu", out); err == nil && (c.Major < 0 || c.Minor < 0) {
			t.Fatalf("%q is version %d.%d", out, c.Major, c.Minor)
		}
	})
}
