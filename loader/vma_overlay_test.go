package loader

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

const overlayfsMagic = 0x794c7630

// overlay mounts one and returns its directory, in which program prog is.
func overlay(t *testing.T, prog string) string {
	t.Helper()
	needBPF(t)
	top := t.TempDir()
	mount := func(source, at, fs, options string) {
		if err := unix.Mount(source, at, fs, 0, options); err != nil {
			t.Fatalf("mount %s: %v", fs, err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(at, 0); err != nil {
				t.Errorf("unmount %s: %v", at, err)
			}
		})
	}
	mount("none", top, "tmpfs", "")
	dirs := map[string]string{}
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		dirs[name] = filepath.Join(top, name)
		if err := os.Mkdir(dirs[name], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bin, err := exec.LookPath(prog)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dirs["lower"], prog), text, 0o755); err != nil {
		t.Fatal(err)
	}
	mount("none", dirs["merged"], "overlay", fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", dirs["lower"], dirs["upper"], dirs["work"]))
	return dirs["merged"]
}

// A file of a stacked file system is mapped under the name by which the program
// knows it, not under that of the layer below.
func TestVMAsOfOverlay(t *testing.T) {
	l := loaded(t)
	prog := filepath.Join(overlay(t, "sleep"), "sleep")
	cmd := exec.Command(prog, "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	pid := cmd.Process.Pid
	for len(readSmaps(t, pid)) < 15 { // until libc is mapped
		time.Sleep(time.Millisecond)
	}
	stop(t, pid)
	for _, deleted := range []bool{false, true} {
		if deleted {
			if err := os.Remove(prog); err != nil {
				t.Fatal(err)
			}
		}
		p, maps := read(t, l, pid), readSmaps(t, pid)
		found := 0
		for i := range maps {
			v := &p.VMAs[i]
			compareVMA(t, p, v, &maps[i])
			if v.Path.Path != prog {
				continue
			}
			found++
			var st unix.Stat_t
			if err := unix.Stat(fmt.Sprintf("/proc/%d/map_files/%x-%x", pid, v.Start, v.End), &st); err != nil {
				t.Fatal(err)
			}
			if !deleted { // stat(2) still counts the link in the layer below
				compareStat(t, v.Path, &st)
			}
			if v.Path.FSMagic != overlayfsMagic || v.Path.Deleted != deleted || v.Kind != fastcr.VMAFilePrivate {
				t.Errorf("got %+v", v)
			}
		}
		if found < 3 {
			t.Errorf("%d mappings of %s", found, prog)
		}
	}
}
