package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestInotify(t *testing.T) {
	runCase(t, Case{Name: "watches", Source: "inotify"})
	runCase(t, Case{Name: "queued events", Source: "inotify", Args: []string{"queued"}})
	runCase(t, Case{Name: "deleted", Source: "inotify", Args: []string{"deleted"}, CRIUCannot: "it loses the watch",
		Refused: []string{"inotify", "watch 1", "deleted", "remove the watch"}})
}

// TestWatchesWithoutPath: what is watched is found by its handle, or by looking through directories.
func TestWatchesWithoutPath(t *testing.T) {
	const cannot = "it writes handles, which its restore opens in mount namespaces of its own only"
	sought := []string{"fd 3", "inotify", "watch 1", "no path", "--irmap-scan-path"}
	for _, c := range []Case{
		{Name: "a directory", Args: []string{"lost directory", "dir"}, Ready: forgetNames, Undisturbed: wasFound("by its handle")},
		{Name: "files", Args: []string{"lost", "dir"}, Ready: forgetNames, CRIUCannot: cannot, Refused: sought},
		{Name: "files, looked for", Args: []string{"lost", "dir"}, Setup: scanWork, Ready: forgetNames, Undisturbed: wasFound("by looking through")},
		// An overlay has no handles.
		{Name: "overlay", Args: []string{"lost directory", "overlay/dir"}, Setup: mountOverlay, Ready: forgetNames, CRIUCannot: cannot, Refused: []string{"watch 2", "no path", "--irmap-scan-path"}},
		{Name: "overlay, looked for", Args: []string{"lost", "overlay/dir"}, Ready: forgetNames, Undisturbed: wasFound("by looking through"), Setup: func(t *testing.T, r *Run) {
			mountOverlay(t, r)
			scanWork(t, r)
		}},
	} {
		c.Source = "inotify"
		runCase(t, c)
	}
	t.Run("mounted over", func(t *testing.T) {
		needFastcr(t)
		r := newRun(t, Case{Source: "inotify", Args: []string{"lost", "dir"}, Refused: []string{"watch 1", "/dir/file", "mounted over", "--irmap-scan-path"}})
		r.start()
		at := filepath.Join(r.work, "dir")
		if err := unix.Mount("tmpfs", at, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		r.dumpRefused()
		if err := unix.Unmount(at, 0); err != nil {
			t.Error(err)
		}
		r.verdict("live")
	})
}

// forgetNames has the kernel let go of all names that nobody uses, which costs a moment to find again.
func forgetNames(t *testing.T, r *Run) {
	var fs unix.Statfs_t
	if err := unix.Statfs(r.work, &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Type == unix.TMPFS_MAGIC {
		t.Skip("a tmpfs forgets no names: set TMPDIR to a disk's directory")
	}
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0); err != nil {
		t.Fatal(err)
	}
}

func scanWork(_ *testing.T, r *Run) {
	r.c.DumpFlags = []string{"--force-irmap", "--irmap-scan-path", r.work}
}

// wasFound wants the log to say how.
func wasFound(how string) func(*testing.T, *Run) {
	return func(t *testing.T, r *Run) {
		if log, err := os.ReadFile(r.log); err != nil || tools.dumper != "criu" && !strings.Contains(string(log), how) {
			t.Errorf("%v; nothing was found %s:\n%s", err, how, log)
		}
		forgetNames(t, r)
	}
}

func mountOverlay(t *testing.T, r *Run) {
	for _, d := range []string{"lower", "upper", "between", "overlay"} {
		if err := os.Mkdir(filepath.Join(r.work, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	at := func(d string) string { return filepath.Join(r.work, d) }
	if err := unix.Mount("overlay", at("overlay"), "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", at("lower"), at("upper"), at("between"))); err != nil {
		t.Skipf("no overlay: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at("overlay"), unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func TestFiles(t *testing.T) {
	runCase(t, Case{Name: "opened in every way", Source: "files", Args: []string{"opened"}, Once: true,
		CRIUCannot: "it takes a FIFO that was opened with O_PATH for one that can be read"})
	runCase(t, Case{Name: "5,000", Source: "files", Args: []string{"many"}})
	runCase(t, Case{Name: "directories", Source: "files", Args: []string{"dirs"}})
	runCase(t, Case{Name: "deleted directory", Source: "files", Args: []string{"rmdirs"}})
	runCase(t, Case{Name: "devices", Source: "files", Args: []string{"devices"}})
	runCase(t, Case{Name: "shared", Source: "files", Args: []string{"shared"}})
}

func TestFanotify(t *testing.T) {
	runCase(t, Case{Name: "marks", Source: "fanotify"})
	runCase(t, Case{Name: "names forgotten", Source: "fanotify", Setup: scanWork, Ready: forgetNames, Undisturbed: wasFound("by looking through")})
	runCase(t, Case{Name: "decides", Source: "fanotify", Args: []string{"decides"}, Refused: []string{"fd 3", "fanotify", "would wait for it"}, CRIUCannot: "all would wait"})
	runCase(t, Case{Name: "file system", Source: "fanotify", Args: []string{"whole"}, Refused: []string{"fd 3", "fanotify", "whole file system"}})
}

func TestNamespaceFiles(t *testing.T) {
	runCase(t, Case{Name: "own", Source: "files", Args: []string{"namespaces"}, Ignore: []string{"time:["}})
	runCase(t, Case{Name: "other", Source: "files", Args: []string{"other namespace"}, Refused: []string{"fd 3", "uts:[", "namespace"}})
}

func TestPidfds(t *testing.T) {
	runCase(t, Case{Name: "all", Source: "pidfd"})
	runCase(t, Case{Name: "outside", Source: "pidfd", Args: []string{"outside"}, Refused: []string{"fd 3", "pidfd", "outside of the tree"}})
	runCase(t, Case{Name: "thread", Source: "pidfd", Args: []string{"thread"}, Refused: []string{"fd 3", "pidfd", "PIDFD_THREAD"}})
}

func TestDeletedFiles(t *testing.T) {
	runCase(t, Case{Name: "ghosts", Source: "files", Args: []string{"ghosts"}})
	runCase(t, Case{Name: "with another name", Source: "files", Args: []string{"links"}, DumpFlags: []string{"--link-remap"},
		CRIUCannot: "with -R it removes the link that its images need", Undisturbed: func(t *testing.T, r *Run) {
			links, err := filepath.Glob(filepath.Join(r.work, "link_remap.*"))
			if err != nil || len(links) != 2 {
				t.Errorf("the temporary names are %v, %v", links, err)
			}
			for _, l := range links {
				if r.counter == 1 { // these images will never be restored
					os.Remove(l)
				}
			}
		}})
	runCase(t, Case{Name: "with another name, not allowed", Source: "files", Args: []string{"links"},
		Refused: []string{"/name", "other names", "--link-remap"}})
	// What was linked before the refusal is taken back.
	runCase(t, Case{Name: "too big", Source: "files", Args: []string{"links and big"}, DumpFlags: []string{"--link-remap", "--ghost-limit", "100K"},
		Refused: []string{"/big", "409600 bytes", "--ghost-limit"}})
	runCase(t, Case{Name: "not too big", Source: "files", Args: []string{"ghosts"}, DumpFlags: []string{"--ghost-limit", "20K"}})
}

// notRestored wants criu to turn the images down with these words in its log.
func (r *Run) notRestored(words string) {
	r.t.Helper()
	log := filepath.Join(r.logs, "refused.log")
	out, err := r.command(tools.criu, []string{"restore", "-D", r.img, "-W", r.logs, "-o", log, "-v4", "-d"})
	text, _ := os.ReadFile(log)
	if err == nil || !strings.Contains(string(text), words) {
		r.t.Fatalf("criu restore: %v, without %q\n%s\n%s", err, words, out, tail(log))
	}
	reap()
}

// TestFileValidation changes files after the dump: the restore has to notice.
func TestFileValidation(t *testing.T) {
	for _, method := range []string{"filesize", "buildid"} {
		t.Run(method, func(t *testing.T) {
			// A program of its own, to be changed.
			program := filepath.Join(t.TempDir(), "program")
			text, err := os.ReadFile(buildTarget(t, "process"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(program, text, 0o755); err != nil {
				t.Fatal(err)
			}
			flags := []string{"--file-validation", method}
			r := newRun(t, Case{Command: []string{program}, Args: []string{"limits"}, DumpFlags: flags})
			r.start()
			r.dumpAndKill()

			out := filepath.Join(r.logs, "out")
			if err := os.WriteFile(out, []byte("longer"), 0o644); err != nil {
				t.Fatal(err)
			}
			r.notRestored("bad size")
			if err := os.Truncate(out, 0); err != nil {
				t.Fatal(err)
			}

			// The head of an ELF note with a build id of 20 bytes.
			head := []byte("\x04\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00")
			note := bytes.Index(text, head) + len(head)
			if note < len(head) {
				t.Fatal("the program has no build id")
			}
			f, err := os.OpenFile(program, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte{text[note] ^ 1}, int64(note)); err != nil {
				t.Fatal(err)
			}
			if method == "buildid" {
				r.notRestored("build-ID")
				if _, err := f.WriteAt(text[note:note+1], int64(note)); err != nil {
					t.Fatal(err)
				}
			}
			f.Close() // a program that is open for writing cannot be run
			r.restore()
			r.verdict("restored")
		})
	}
}

func TestPipes(t *testing.T) {
	runCase(t, Case{Name: "pipes", Source: "pipes", Args: []string{"pipes"}})
	runCase(t, Case{Name: "one end closed", Source: "pipes", Args: []string{"ends"}})
	runCase(t, Case{Name: "between processes", Source: "pipes", Args: []string{"family"}})
	runCase(t, Case{Name: "FIFOs", Source: "pipes", Args: []string{"fifos"}})
}

func TestFileLocks(t *testing.T) {
	lock := []string{"--file-locks"}
	for _, part := range []string{"locks", "leases", "breaking"} {
		runCase(t, Case{Name: part, Source: "locks", Args: []string{part}, DumpFlags: lock, RestoreFlags: lock})
	}
	runCase(t, Case{Name: "not allowed", Source: "locks", Args: []string{"locks"}, Refused: []string{"/ex", "/posix", "file lock", "--file-locks"}})
	runCase(t, Case{Name: "leases, not allowed", Source: "locks", Args: []string{"leases"}, Refused: []string{"/read", "file lock", "--file-locks"}})
	runCase(t, Case{Name: "a deleted file's lease", Source: "locks", Args: []string{"deleted"}, DumpFlags: lock, Refused: []string{"/gone", "lease"}})
}

func TestEvents(t *testing.T) {
	for _, part := range []string{"eventfd", "timerfd", "signalfd", "epoll", "epoll, many"} {
		runCase(t, Case{Name: part, Source: "events", Args: []string{part}})
	}
	const wrong = "it restores another thing"
	runCase(t, Case{Name: "semaphore", Source: "events", Args: []string{"semaphore"}, CRIUCannot: wrong,
		Refused: []string{"eventfd", "EFD_SEMAPHORE", "counts 18446744073709551614"}})
	runCase(t, Case{Name: "alarm", Source: "events", Args: []string{"alarm"}, Refused: []string{"fd 3", "timerfd", "clock 9"}})
}

func TestSocketPairs(t *testing.T) {
	for _, part := range []string{"stream", "dgram", "seqpacket", "options", "closed"} {
		runCase(t, Case{Name: part, Source: "sockets", Args: []string{part}})
	}
	runCase(t, Case{Name: "empty message", Source: "sockets", Args: []string{"empty"}, CRIUCannot: "it loses the message and all after it"})
	runCase(t, Case{Name: "credentials", Source: "sockets", Args: []string{"credentials"}, Refused: []string{"fd 4", "unix socket", "credentials"}})
	runCase(t, Case{Name: "rights", Source: "sockets", Args: []string{"rights"}})
}

func TestTerminals(t *testing.T) {
	runCase(t, Case{Name: "pty pair", Source: "pty"})
	runCase(t, Case{Name: "master closed", Source: "pty", Args: []string{"orphan"}})
	runCase(t, Case{Name: "job that has ended", Source: "pty", Args: []string{"gone"}, CRIUCannot: "its restore fails"})
	runCase(t, Case{Name: "queues", Source: "pty", Args: []string{"queued"}})
	runCase(t, Case{Name: "usual modes", Source: "pty", Args: []string{"cooked"}, CRIUCannot: "it turns newlines into CR and newline again"})
	runCase(t, Case{Name: "output all the time", Source: "pty", Args: []string{"flow"}, CRIUCannot: "it turns newlines into CR and newline again"})
	runCase(t, Case{Name: "more than a queue holds", Source: "pty", Args: []string{"more"}, CRIUCannot: "it cuts it off",
		Refused: []string{"/dev/ptmx", "more to be read"}})
}

// TestPaths is about paths that do not lead to what is open.
func TestPaths(t *testing.T) {
	runCase(t, Case{Name: "mounted over", Source: "files", Args: []string{"covered"},
		Refused: []string{"/covered/file", "does not lead to it", "mounted over"},
		Ready: func(t *testing.T, r *Run) {
			at := filepath.Join(r.work, "covered")
			if err := unix.Mount("tmpfs", at, "tmpfs", 0, ""); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := unix.Unmount(at, 0); err != nil {
					t.Errorf("unmount %s: %v", at, err)
				}
			})
		}})
}

// TestProcFiles is about files of /proc of processes that are gone.
func TestProcFiles(t *testing.T) {
	for _, c := range []Case{
		{Name: "of a dead process", Ignore: []string{"fd 7"}}, // not moved to its position
		{Name: "reused", Refused: []string{"fd 3", "/proc/", "process that is gone", "of the tree"}},
		{Name: "reused outside", Refused: []string{"fd 3", "/proc/", "process that is gone", "another process's"}},
		{Name: "thread", Refused: []string{"fd 3", "/task/", "of a thread"}},
		{Name: "dead thread", Refused: []string{"fd 3", "/task/", "of a thread"}},
		{Name: "descriptor", Refused: []string{"fd 3", "/fdinfo/", "process that is gone"}},
	} {
		c.Source, c.Args = "procfiles", []string{c.Name}
		if c.Refused != nil {
			c.CRIUCannot = "it opens another file, or none"
		}
		runCase(t, c)
	}
}

// external has the dump leave out fd of the program, and the restore be handed it.
func (r *Run) external(fd int, name func(info map[string]string, st *unix.Stat_t) string) {
	r.t.Helper()
	at := fmt.Sprintf("/proc/%d/fd/%d", r.pid, fd)
	var st unix.Stat_t
	if err := unix.Stat(at, &st); err != nil {
		r.t.Fatal(err)
	}
	info := keyed(fmt.Sprintf("/proc/%d/fdinfo/%d", r.pid, fd))
	flags, _ := strconv.ParseUint(info["flags"], 8, 32)
	f, err := os.OpenFile(at, int(flags)&^unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { f.Close() })
	id := name(info, &st)
	r.inherit = []*os.File{f}
	r.c.DumpFlags = append(r.c.DumpFlags, "--external", id)
	r.c.RestoreFlags = append(r.c.RestoreFlags, "--inherit-fd", "fd[3]:"+id)
}

func TestExternal(t *testing.T) {
	runCase(t, Case{Name: "file", Source: "files", Args: []string{"external"}, Ready: func(_ *testing.T, r *Run) {
		r.external(3, func(info map[string]string, st *unix.Stat_t) string {
			mount, _ := strconv.Atoi(info["mnt_id"])
			return fmt.Sprintf("file[%x:%x]", mount, st.Ino)
		})
	}})
	runCase(t, Case{Name: "not external", Source: "files", Args: []string{"external"}, Refused: []string{"fd 3", "/external", "--ghost-limit"}})
	var master *os.File
	answer := func(*testing.T, *Run) {
		go func() {
			var b [1]byte
			if n, _ := master.Read(b[:]); n == 1 && b[0] == '?' {
				master.WriteString("!")
			}
		}()
	}
	runCase(t, Case{Name: "terminal", Source: "files", Args: []string{"terminal"},
		Prepare: func(r *Run, cmd *exec.Cmd) {
			var slave *os.File
			master, slave = openPTY(r.t)
			cmd.Stdin = slave
		},
		Ready: func(t *testing.T, r *Run) {
			r.external(0, func(_ map[string]string, st *unix.Stat_t) string { return fmt.Sprintf("tty[%x:%x]", st.Rdev, st.Dev) })
			answer(t, r)
		}, Verify: answer})
}

func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}
