package restore

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr/images"
)

// Options say what is restored and how.
type Options struct {
	ImagesDir string
	// Args are further options of criu restore, as on its command line: "-j", "-d",
	// "--pidfile", "pid", "-v4" …
	Args []string

	// The standard files of criu, the caller's own where they are nil. The terminal of a
	// shell job (-j) is the one that Stdin is.
	Stdin          *os.File
	Stdout, Stderr io.Writer
}

// Process is the root of a restored tree.
type Process struct {
	PID      int
	Detached bool // -d: it is nobody's child and cannot be waited for

	exited *unix.WaitStatus // of the program of --exec-cmd, which has the tree
}

// Error says that criu could not restore.
type Error struct {
	ImagesDir string
	Exit      string   // how criu ended
	Reasons   []string // the last errors in criu's log
	Taken     []int    // pids that the tree had and that were in use
}

func (e *Error) Error() string {
	s := fmt.Sprintf("restore %s: criu: %s", e.ImagesDir, e.Exit)
	for _, r := range e.Reasons {
		s += "\n  " + r
	}
	for _, pid := range e.Taken {
		s += fmt.Sprintf("\n  pid %d is in use%s", pid, user(pid))
	}
	return s
}

// pidsAreFreed is how long a pid that nobody has any more is waited for: the kernel keeps
// the number while an ended member of its session or process group is not yet reaped.
const pidsAreFreed = 3 * time.Second

// Restore checks the images and has criu restore them. The root of the tree becomes a child
// of the caller, unless Args has -d. A restore that has begun is not interrupted when ctx
// ends: half a tree would be left. Errors are those of images.Check, *NoCriuError and *Error.
func Restore(ctx context.Context, opts Options) (*Process, error) {
	if err := images.Check(opts.ImagesDir); err != nil {
		return nil, err
	}
	root, err := images.Root(opts.ImagesDir)
	if err != nil {
		return nil, err
	}
	criu, err := Find(ctx)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "fastcr-restore-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	r := &run{opts: opts, known: scan(opts.Args), criu: criu.Path, root: root, pidFile: filepath.Join(tmp, "pid")}
	for until := time.Now().Add(pidsAreFreed); ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, err := r.once()
		if !passing(err) || time.Now().After(until) {
			return p, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// run is one call of Restore.
type run struct {
	opts    Options
	known   known
	criu    string
	root    int    // its pid in the images
	pidFile string // of our own, when the caller asks for none
}

// once runs criu.
func (r *run) once() (*Process, error) {
	cmd := exec.Command(r.criu, r.args()...)
	tail := &tail{to: os.Stderr}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, tail
	if r.opts.Stdin != nil {
		cmd.Stdin = r.opts.Stdin
	}
	if r.opts.Stdout != nil {
		cmd.Stdout = r.opts.Stdout
	}
	if r.opts.Stderr != nil {
		tail.to = r.opts.Stderr
	}
	cmd.WaitDelay = time.Second // an action script's child may keep our pipe
	mine := isChild(r.root)
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return nil, err
	}
	log := r.log(tail)
	status := unix.WaitStatus(cmd.ProcessState.Sys().(syscall.WaitStatus))
	switch {
	case r.known.execCmd && !failed(log):
		return &Process{PID: r.root, exited: &status}, nil
	case status != 0:
		if !mine {
			end(r.root) // what criu had begun
		}
		return nil, &Error{ImagesDir: r.opts.ImagesDir, Exit: cmd.ProcessState.String(), Reasons: lastErrors(log), Taken: takenPIDs(log)}
	}
	return r.restored()
}

// args is criu's command line. Without -d the tree is detached from criu and becomes ours.
func (r *run) args() []string {
	args := []string{"restore", "--images-dir", r.opts.ImagesDir}
	if !r.known.execCmd {
		if !r.known.detached {
			args = append(args, "--restore-detached", "--restore-sibling")
		}
		if r.known.pidFile == "" {
			args = append(args, "--pidfile", r.pidFile)
		}
	}
	return append(args, r.opts.Args...)
}

func (r *run) restored() (*Process, error) {
	path := r.pidFile
	if r.known.pidFile != "" {
		path = r.inWorkDir(r.known.pidFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read criu's pid file: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read criu's pid file %s: %w", path, err)
	}
	return &Process{PID: pid, Detached: r.known.detached}, nil
}

// inWorkDir resolves a file name as criu does: it works in its work directory.
func (r *run) inWorkDir(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	if r.known.workDir != "" {
		return filepath.Join(r.known.workDir, name)
	}
	return filepath.Join(r.opts.ImagesDir, name)
}
