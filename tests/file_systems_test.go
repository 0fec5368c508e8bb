package tests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mounted are file systems whose device and inode numbers, or paths, are not simply those of the
// files: each mounts one at dir, and layers is a directory for what it needs.
var mounted = map[string]func(layers, dir string) error{
	"tmpfs": func(_, dir string) error { return unix.Mount("none", dir, "tmpfs", 0, "") },
	"bind mount": func(layers, dir string) error {
		return unix.Mount(layers, dir, "", unix.MS_BIND, "")
	},
	"overlayfs": func(layers, dir string) error {
		if err := unix.Mount("none", layers, "tmpfs", 0, ""); err != nil {
			return err
		}
		options := ""
		for _, o := range []string{"lowerdir", "upperdir", "workdir"} {
			if err := os.Mkdir(filepath.Join(layers, o), 0o755); err != nil {
				return err
			}
			options += fmt.Sprintf(",%s=%s", o, filepath.Join(layers, o))
		}
		return unix.Mount("none", dir, "overlay", 0, options[1:])
	},
}

// layersOf is beside the program's directory, out of its way.
func layersOf(dir string) string { return filepath.Join(filepath.Dir(filepath.Dir(dir)), "layers") }

// TestFileSystems has programs live on them: what they map, open, lock, watch and delete is there.
func TestFileSystems(t *testing.T) {
	for name, mount := range mounted {
		setup := func(t *testing.T, r *Run) {
			layers := layersOf(r.dir)
			if err := errors.Join(os.Mkdir(r.dir, 0o755), os.Mkdir(layers, 0o777)); err != nil {
				t.Fatal(err)
			}
			if err := mount(layers, r.dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(r.dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		unmount := func(t *testing.T, dir string) {
			if err := unix.Unmount(dir, 0); err != nil {
				t.Errorf("unmount %s: %v", dir, err)
			}
			if err := unix.Unmount(layersOf(dir), 0); err != nil && !errors.Is(err, unix.EINVAL) { // nothing is mounted there
				t.Errorf("unmount %s: %v", layersOf(dir), err)
			}
		}
		for _, c := range []Case{
			{Source: "files", Args: []string{"dirs"}},
			{Source: "files", Args: []string{"ghosts"}},
			{Source: "files", Args: []string{"shared"}},
			{Source: "inotify"},
			{Source: "locks", Args: []string{"locks"}, DumpFlags: []string{"--file-locks"}, RestoreFlags: []string{"--file-locks"}},
			{Source: "memory"},
		} {
			c.Name = fmt.Sprintf("%s/%s %s", name, c.Source, strings.Join(c.Args, " "))
			c.Dir, c.Setup, c.Cleanup = "m", setup, unmount
			runCase(t, c)
		}
	}
}
