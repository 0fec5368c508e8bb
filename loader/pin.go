package loader

import (
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Loading costs tens of milliseconds, opening what an earlier run has pinned
// some ten microseconds. Programs (never links: those belong to one pid) and
// cursor maps are pinned in a bpffs of fastcr's own, one directory for what is
// in this binary and this kernel's release. Nothing in a pinned object belongs
// to one run, so runs may share it at the same time.
const defaultPinDir = "/run/fastcr/bpf"

// pinsInTheMaking begins the name of pins until they are complete.
const pinsInTheMaking = "new-"

// errUntrusted is a pin directory that somebody other than root could write to.
var errUntrusted = errors.New("not root's alone")

// pinKey names what would be loaded: a change in any object or in the kernel
// makes another one.
func pinKey() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("uname: %w", err)
	}
	sum, size := uint32(0), 0
	for i := range sources {
		sum = crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), sources[i].object)
		size += len(sources[i].object)
	}
	release := strings.ReplaceAll(cstring(u.Release[:]), ".", "_") // bpffs allows no dots
	return fmt.Sprintf("%s-%08x-%x", release, sum, size), nil
}

// openPins opens every program from pins; an error means that they are to be loaded.
func (l *Loader) openPins(dir string) error {
	if err := trusted(dir); err != nil {
		return err
	}
	key, err := pinKey()
	if err != nil {
		return err
	}
	for i := range sources {
		o := &l.objects[i]
		if err := o.open(filepath.Join(dir, key, sources[i].name)); err != nil {
			return err
		}
	}
	return nil
}

// The pins of one source, beside the program itself.
const (
	pinMore   = "_more"
	pinCursor = "_cursor"
)

func (o *object) open(path string) (err error) {
	if o.prog, err = openPin(path); err != nil {
		return err
	}
	o.more.prog, err = openPin(path + pinMore)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err == nil {
		o.more.cursor, err = openPin(path + pinCursor)
	}
	return err
}

// trusted tells whether dir is a bpffs in which root alone can have put anything.
func trusted(dir string) error {
	for _, d := range []string{filepath.Dir(dir), dir} {
		var st unix.Stat_t
		if err := unix.Lstat(d, &st); err != nil {
			return fmt.Errorf("stat %s: %w", d, err)
		}
		if st.Uid != 0 || st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&0o022 != 0 {
			return fmt.Errorf("%s: %w", d, errUntrusted)
		}
	}
	if !isBPFFS(dir) {
		return fmt.Errorf("%s: no bpffs", dir)
	}
	return nil
}

func isBPFFS(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Type == unix.BPF_FS_MAGIC
}

// keptPins is how many builds' pins stay: two versions of fastcr that are used in
// turn do not load anew each time.
const keptPins = 4

// pin leaves the loaded programs for later runs. They appear at once, under
// their final name; the oldest pins of other builds go.
func (l *Loader) pin(dir string) error {
	unlock, err := lockPins(dir)
	if err != nil {
		return err
	}
	defer unlock()
	if pinnedMeanwhile(dir) {
		return nil
	}
	if err := makePinDir(dir); err != nil {
		return err
	}
	key, err := pinKey()
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, fmt.Sprintf("%s%d", pinsInTheMaking, os.Getpid()))
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for i := range l.objects {
		if err := l.objects[i].pin(filepath.Join(tmp, sources[i].name)); err != nil {
			return err
		}
	}
	if err := removeOldPins(dir, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, key))
}

// removeOldPins makes room for one more build's pins, those at tmp, and removes what a
// killed run began: the caller has the lock.
func removeOldPins(dir, tmp string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	made := map[string]time.Time{}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() { // the files are the kernel's own
			made[filepath.Join(dir, e.Name())] = info.ModTime()
		}
	}
	delete(made, tmp)
	newest := slices.SortedFunc(maps.Keys(made), func(a, b string) int { return made[b].Compare(made[a]) })
	for i, path := range newest {
		if i >= keptPins-1 || strings.HasPrefix(filepath.Base(path), pinsInTheMaking) {
			_ = os.RemoveAll(path)
		}
	}
	return nil
}

func (o *object) pin(path string) error {
	if err := pinFD(o.prog, path); err != nil {
		return err
	}
	if o.more.prog < 0 {
		return nil
	}
	if err := pinFD(o.more.cursor, path+pinCursor); err != nil {
		return err
	}
	return pinFD(o.more.prog, path+pinMore)
}

// pinnedMeanwhile says whether another first run was quicker.
func pinnedMeanwhile(dir string) bool {
	other := newLoader()
	defer other.Close()
	return other.openPins(dir) == nil
}

// lockPins keeps two first runs from mounting and pinning at the same time: the
// second gets an error and leaves it to the first.
func lockPins(dir string) (unlock func(), err error) {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, err
	}
	fd, err := unix.Open(parent, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", parent, err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("lock %s: %w", parent, err)
	}
	return func() { _ = unix.Close(fd) }, nil
}

// makePinDir mounts a bpffs at dir, unless there is one.
func makePinDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if !isBPFFS(dir) {
		flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
		if err := unix.Mount("fastcr", dir, "bpf", flags, "mode=0700"); err != nil {
			return fmt.Errorf("mount bpffs at %s: %w", dir, err)
		}
	}
	return trusted(dir)
}

// Unpin removes what earlier runs have pinned, of every build.
func Unpin() error { return unpin(defaultPinDir) }

func unpin(dir string) error {
	if !isBPFFS(dir) {
		return nil
	}
	if err := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}
