package bench

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

//go:embed targets
var sources embed.FS

// The programs that Build makes.
const (
	loadProgram = "load" // the synthetic workload
	runProgram  = "run"  // runs and clocks a command
)

// Build compiles our C programs into the directory dir, with the machine's compiler, and
// returns the path of the synthetic workload.
func Build(ctx context.Context, dir string) (load string, err error) {
	if err := os.CopyFS(dir, sources); err != nil {
		return "", err
	}
	for _, name := range []string{loadProgram, runProgram} {
		src := filepath.Join(dir, "targets", name+".c")
		out, err := exec.CommandContext(ctx, "cc", "-O2", "-pthread", "-o", filepath.Join(dir, name), src, "-lm").CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("compile %s.c with cc: %w: %s", name, err, out)
		}
	}
	return filepath.Join(dir, loadProgram), nil
}

// Target is a running workload and the page that it shares with us (struct board in
// targets/load.c).
type Target struct {
	PID   int
	flags []string
	board []byte
	last  uint64 // boardAt when it had ended
	dir   string
	ended chan struct{} // closed when our own child has ended; a restored one is not
}

// Offsets into struct board.
const (
	boardGap   = 0
	boardBeats = 8
	boardAsk   = 16
	boardTold  = 24
	boardWrong = 32
	boardReady = 40
	boardAt    = 48

	boardInterrupted = 56
)

// StartTarget starts a workload in a session of its own and waits until it is ready.
func StartTarget(ctx context.Context, bin string, w *Workload) (_ *Target, err error) {
	t := &Target{ended: make(chan struct{}), flags: w.flags()}
	if t.dir, err = os.MkdirTemp("", "fastcr-bench-target-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	if err := t.mapBoard(); err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, append([]string{t.boardFile()}, w.Args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir = t.dir
	if cmd.Stderr, err = os.Create(filepath.Join(t.dir, "err")); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t.PID = cmd.Process.Pid
	go func() { _ = cmd.Wait(); close(t.ended) }()
	for t.word(boardReady).Load() == 0 {
		select {
		case <-t.ended:
			return nil, fmt.Errorf("workload %s did not start: %s", w.Name(), t.words())
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return t, nil
}

// words is what it wrote to its standard error.
func (t *Target) words() string {
	text, _ := os.ReadFile(filepath.Join(t.dir, "err"))
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "; ")
}

func (t *Target) boardFile() string { return filepath.Join(t.dir, "board") }

func (t *Target) mapBoard() error {
	f, err := os.OpenFile(t.boardFile(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(4096); err != nil {
		return err
	}
	t.board, err = unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return err
}

// ResetGap forgets the longest gap, Gap returns it in microseconds.
func (t *Target) ResetGap()    { t.word(boardGap).Store(0) }
func (t *Target) Gap() float64 { return float64(t.word(boardGap).Load()) / 1000 }
func (t *Target) beats() uint64 {
	return t.word(boardBeats).Load()
}

// Check has the target compare its memory with what it wrote, and look for its mappings,
// files, threads and processes.
func (t *Target) Check(ctx context.Context) error {
	question := t.word(boardAsk).Add(1)
	for t.word(boardTold).Load() != question {
		select {
		case <-ctx.Done():
			return fmt.Errorf("pid %d does not answer: %w", t.PID, ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
	if t.word(boardWrong).Load() != 0 {
		return fmt.Errorf("pid %d is not as it was: %s", t.PID, t.words())
	}
	return nil
}

// Kill ends the target, be it restored or our own, and all of its tree.
func (t *Target) Kill() {
	if t.PID <= 0 {
		return
	}
	pids := treeOf(t.PID)
	for _, pid := range pids {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	awaitGone(pids)
}

// awaitGone waits until processes that were ended are no more: a restore wants their
// pids. Run has made us the one who has to wait for orphans.
func awaitGone(pids []int) {
	for range 10000 {
		left := slices.DeleteFunc(slices.Clone(pids), func(pid int) bool {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // somebody else's, if it fails
			return errors.Is(unix.Kill(pid, 0), unix.ESRCH)
		})
		if len(left) == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// Close ends the target and removes its files.
func (t *Target) Close() {
	t.Kill()
	if t.board != nil {
		_ = unix.Munmap(t.board)
		t.board, t.PID = nil, 0
	}
	_ = os.RemoveAll(t.dir)
}

// treeOf lists pid, its descendants, and whoever else is in their sessions.
func treeOf(pid int) (pids []int) {
	if pid <= 0 {
		return nil
	}
	all, err := procfs.AllProcs()
	if err != nil {
		return []int{pid}
	}
	in := map[int]bool{pid: true}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if s, err := p.Stat(); err == nil && !in[s.PID] && (in[s.PPID] || s.Session > 0 && in[s.Session]) {
				in[s.PID], grown = true, true
			}
		}
	}
	return slices.Collect(maps.Keys(in))
}
