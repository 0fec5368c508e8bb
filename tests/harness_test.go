package tests

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Case is one program that is dumped, restored and asked for its verdict.
type Case struct {
	Name    string
	Source  string   // targets/SOURCE.c
	Command []string // instead of Source: a program of the machine
	Args    []string
	Env     []string
	Dir     string // where it starts and has "ready", "check" and "result", relative to the work directory

	RunAs   *syscall.Credential
	Setup   func(t *testing.T, r *Run)     // before the start
	Prepare func(r *Run, cmd *exec.Cmd)    // changes how the program is started
	Ready   func(t *testing.T, r *Run)     // once the program is ready, before the first dump
	Cleanup func(t *testing.T, dir string) // after the end, however it ended

	DumpFlags    []string
	LiveFlags    []string // more of them when the program runs on
	RestoreFlags []string
	Verify       func(t *testing.T, r *Run) // after each restore, before the verdict
	Undisturbed  func(t *testing.T, r *Run) // after each dump -R

	// Moving: the program changes its own state as seen from outside (mappings, children),
	// so /proc before and after is not compared.
	Moving bool
	// Stopped: some of its processes are stopped, and are to stay so.
	Stopped bool
	// Ignore lists keys of the /proc comparison, by substring, that may differ.
	Ignore []string
	// Once: images cannot be restored after the program ran on (its files changed).
	Once bool
	// Refused: the dump must fail, with these words in its message, and the program run on.
	Refused []string
	// CRIUCannot says why criu itself cannot dump this; such a case needs fastcr.
	CRIUCannot string
	// Patience is how long the verdict may take; 60 s if zero.
	Patience time.Duration
}

// Run is one execution of a Case; its steps can also be called one by one.
type Run struct {
	t       *testing.T
	c       Case
	work    string // the program's working directory
	dir     string // the protocol's files
	img     string // images of the last dump
	logs    string
	log     string // of the last dump
	pid     int
	status  *syscall.WaitStatus // of the root, once it ended
	held    map[string]bool
	before  state
	inherit []*os.File // descriptors from 3 on, for the restore
	counter int
}

// runCase dumps, kills and restores; then, with -R, dumps twice and lets the program run on.
func runCase(t *testing.T, c Case) {
	t.Run(c.Name, func(t *testing.T) {
		if tools.dumper == "criu" && c.CRIUCannot != "" {
			t.Skip("criu itself cannot: " + c.CRIUCannot)
		}
		if c.Refused != nil {
			r := newRun(t, c)
			r.start()
			r.dumpRefused()
			r.verdict("live")
			return
		}
		t.Run("killed", func(t *testing.T) {
			r := newRun(t, c)
			r.start()
			r.dumpAndKill()
			r.restore()
			r.verdict("restored")
		})
		t.Run("left-running", func(t *testing.T) {
			r := newRun(t, c)
			r.start()
			r.dumpRunning(c.LiveFlags...)
			r.dumpRunning(c.LiveFlags...)
			r.verdict(strings.Join(append([]string{"live"}, c.LiveFlags...), " "))
			if c.Once {
				return
			}
			r.resetFiles()
			r.restore()
			r.verdict("restored")
		})
	})
}

func newRun(t *testing.T, c Case) *Run {
	t.Helper()
	top, err := os.MkdirTemp("", "fastcr-test-")
	if err != nil {
		t.Fatal(err)
	}
	r := &Run{t: t, c: c, work: filepath.Join(top, "work"), logs: filepath.Join(top, "logs")}
	r.dir = filepath.Join(r.work, c.Dir)
	for _, d := range []string{top, r.work, r.logs} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for dir, mode := range map[string]os.FileMode{top: 0o755, r.work: 0o777} { // the program may become somebody else
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	leaks := watchLeaks(t)
	t.Cleanup(func() {
		killAll()
		if c.Cleanup != nil {
			c.Cleanup(t, r.dir)
		}
		leaks()
		if os.Getenv("FASTCR_TEST_KEEP") != "" {
			t.Log("kept", top)
			return
		}
		os.RemoveAll(top)
	})
	return r
}

// start starts the program and waits until it is ready.
func (r *Run) start() {
	r.t.Helper()
	if r.c.Setup != nil {
		r.c.Setup(r.t, r)
	}
	argv := r.c.Command
	if r.c.Source != "" {
		argv = []string{buildTarget(r.t, r.c.Source)}
	}
	argv = append(argv[:len(argv):len(argv)], r.c.Args...)
	out, err := os.Create(filepath.Join(r.logs, "out"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, out, out
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "FASTCR_DUMPER=" + tools.dumper}, r.c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: r.c.RunAs}
	if r.c.Prepare != nil {
		r.c.Prepare(r, cmd)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatalf("start %s: %v", argv[0], err)
	}
	r.pid = cmd.Process.Pid
	_ = cmd.Process.Release() // criu's copy is not a Cmd: both are waited for in the same way
	r.waitReady()
}

// isOpen tells whether a process of the tree has a file of the protocol open: it says that it is ready
// by making one, and is looked at when it has closed that.
func (r *Run) isOpen(name string) bool {
	for _, pid := range tree(r.pid) {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		for _, fd := range names(dir) {
			if l, _ := os.Readlink(filepath.Join(dir, fd)); l == filepath.Join(r.dir, name) {
				return true
			}
		}
	}
	return false
}

func (r *Run) waitReady() {
	r.t.Helper()
	ok := eventually(60*time.Second, func() bool {
		return exists(filepath.Join(r.dir, "ready")) && !r.isOpen("ready") || r.ended()
	})
	if !ok || r.ended() {
		r.t.Fatalf("program was not ready (ended: %v)\n%s", r.describeEnd(), tail(filepath.Join(r.logs, "out")))
	}
	r.held = map[string]bool{}
	for _, f := range []string{"check", "result"} {
		r.held[f] = exists(filepath.Join(r.dir, f))
	}
	if r.c.Ready != nil {
		r.c.Ready(r.t, r)
	}
}

// dump runs the dumper into a new images directory; the exit status must be 0.
func (r *Run) dump(flags ...string) {
	r.t.Helper()
	if out, err := r.tryDump(flags...); err != nil {
		r.t.Fatalf("dump %s: %v\n%s\n%s", strings.Join(flags, " "), err, out, tail(r.log))
	}
	if !exists(filepath.Join(r.img, "inventory.img")) {
		r.t.Fatal("dump reported success without an inventory.img")
	}
}

// tryDump runs the dumper and returns what it said.
func (r *Run) tryDump(flags ...string) ([]byte, error) {
	r.t.Helper()
	r.counter++
	if r.img != "" {
		os.RemoveAll(r.img)
	}
	top := filepath.Dir(r.work)
	r.img = filepath.Join(top, "img"+strconv.Itoa(r.counter))
	if err := os.Mkdir(r.img, 0o700); err != nil {
		r.t.Fatal(err)
	}
	there := names(top)
	r.log = filepath.Join(r.logs, fmt.Sprintf("dump%d.log", r.counter))
	args := []string{"dump", "-t", strconv.Itoa(r.pid), "-D", r.img, "-W", r.logs, "-o", filepath.Base(r.log), "-v4"}
	bin := tools.fastcr
	if tools.dumper == "criu" {
		bin = tools.criu
	}
	out, err := r.command(bin, append(append(args, r.c.DumpFlags...), flags...))
	if now := names(top); !slices.Equal(now, there) {
		r.t.Errorf("dump left something beside the images: %s, before: %s", now, there)
	}
	return out, err
}

// dumpRefused takes a checkpoint that must be refused by name, with nothing changed or written.
func (r *Run) dumpRefused() {
	r.t.Helper()
	r.before = r.look()
	out, err := r.tryDump()
	if err == nil {
		r.t.Fatal("dump succeeded")
	}
	r.compare("after a refused dump")
	if tools.dumper == "criu" {
		return // its words are its own, and it leaves images behind
	}
	for _, w := range r.c.Refused {
		if !strings.Contains(string(out), w) {
			r.t.Errorf("the message does not say %q: %s", w, out)
		}
	}
	if left := names(r.img); len(left) > 0 {
		r.t.Errorf("a refused dump left %v", left)
	}
}

// dumpAndKill takes the checkpoint that ends the program.
func (r *Run) dumpAndKill() {
	r.t.Helper()
	r.before = r.look()
	pids := tree(r.pid)
	r.dump()
	if !eventually(20*time.Second, func() bool { return r.ended() }) {
		r.t.Fatalf("pid %d lives on after the dump", r.pid)
	}
	if !eventually(10*time.Second, func() bool { reap(); return !anyAlive(pids) }) {
		r.t.Fatalf("of pids %v some live on after the dump", pids)
	}
}

// dumpRunning takes a checkpoint that must change nothing.
func (r *Run) dumpRunning(flags ...string) {
	r.t.Helper()
	r.before = r.look()
	r.dump(append([]string{"-R"}, flags...)...)
	if r.ended() {
		r.t.Fatalf("program ended during dump -R, wait status %#x", *r.status)
	}
	r.compare("after dump -R")
	if r.c.Undisturbed != nil {
		r.c.Undisturbed(r.t, r)
	}
}

// restore brings the images back with criu. A pid or a terminal's number that somebody else took
// meanwhile is waited for: the machine is shared.
func (r *Run) restore() {
	r.t.Helper()
	var out []byte
	var err error
	for try := 0; try < 5; try++ {
		log, pidfile := filepath.Join(r.logs, "restore.log"), filepath.Join(r.logs, "pid")
		os.Remove(pidfile)
		args := []string{"restore", "-D", r.img, "-W", r.logs, "-o", log, "-v4", "-d", "--pidfile", pidfile}
		if out, err = r.command(tools.criu, append(args, r.c.RestoreFlags...), r.inherit...); err == nil {
			break
		}
		reap()
		if text, _ := os.ReadFile(log); !taken.Match(text) {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	if err != nil {
		r.t.Fatalf("criu restore: %v\n%s\n%s", err, out, tail(filepath.Join(r.logs, "restore.log")))
	}
	text, _ := os.ReadFile(filepath.Join(r.logs, "pid"))
	if pid := strings.TrimSpace(string(text)); pid != strconv.Itoa(r.pid) {
		r.t.Fatalf("restored as pid %q, was %d", pid, r.pid)
	}
	r.status = nil
	r.compare("after restore")
	if r.c.Verify != nil {
		r.c.Verify(r.t, r)
	}
}

// taken is what criu says of a pid and of a pty that it cannot have.
var taken = regexp.MustCompile(`File exists|Unable to open dev/ptmx with specified index`)

// verdict asks the program to check itself and waits for its end. word is what checked_live reads.
func (r *Run) verdict(word string) {
	r.t.Helper()
	f, err := os.OpenFile(filepath.Join(r.dir, "check"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		r.t.Fatal(err)
	}
	fmt.Fprintln(f, word)
	f.Close()
	patience := r.c.Patience
	if patience == 0 {
		patience = 60 * time.Second
	}
	var text string
	done := eventually(patience, func() bool {
		b, _ := os.ReadFile(filepath.Join(r.dir, "result"))
		text = string(b)
		return text == "pass\n" || strings.HasSuffix(text, "\npass\n") || strings.HasSuffix(text, "\nfail\n") || r.ended()
	})
	ended := eventually(10*time.Second, func() bool { return r.ended() })
	if b, err := os.ReadFile(filepath.Join(r.dir, "result")); err == nil {
		text = string(b)
	}
	switch {
	case text != "pass\n":
		r.t.Errorf("%s program says (complete: %v, ended: %s):\n%s\n%s", word, done, r.describeEnd(), text, tail(filepath.Join(r.logs, "out")))
	case !ended:
		r.t.Errorf("%s program passed, but did not end", word)
	case *r.status != 0:
		r.t.Errorf("%s program passed, but ended with wait status %#x", word, *r.status)
	}
}

// ended says whether the root has ended, and reaps it.
func (r *Run) ended() bool {
	var ws syscall.WaitStatus
	if r.status == nil {
		if pid, err := syscall.Wait4(r.pid, &ws, syscall.WNOHANG, nil); pid == r.pid || err == syscall.ECHILD {
			r.status = &ws
		}
	}
	return r.status != nil
}

func (r *Run) describeEnd() string {
	if r.status == nil {
		return "no"
	}
	return fmt.Sprintf("wait status %#x", int(*r.status))
}

// resetFiles brings the protocol's files back to what they were at the dump.
func (r *Run) resetFiles() {
	for _, f := range []string{"check", "result"} {
		if p := filepath.Join(r.dir, f); r.held[f] {
			_ = os.Truncate(p, 0)
		} else {
			os.Remove(p)
		}
	}
}

// command runs one tool, two minutes at most.
func (r *Run) command(bin string, args []string, extra ...*os.File) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir = r.logs
	log, err := os.Create(filepath.Join(r.logs, "command.out")) // no pipe: a detached tree would hold it
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, extra
	err = cmd.Run()
	out, _ := os.ReadFile(log.Name())
	return out, err
}
