package restore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Wait waits for the end of the root and returns its wait status.
func (p *Process) Wait() (unix.WaitStatus, error) {
	for {
		if status, err := p.next(0); err != nil || status.Exited() || status.Signaled() {
			return status, err
		}
	}
}

// next waits for the next change of the root: its end, or with WUNTRACED a stop too.
func (p *Process) next(options int) (unix.WaitStatus, error) {
	if p.exited != nil {
		return *p.exited, nil
	}
	if p.Detached {
		return 0, fmt.Errorf("wait for %d: it was restored detached", p.PID)
	}
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(p.PID, &status, unix.WALL|options, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("wait for %d: %w", p.PID, err)
		}
		return status, nil
	}
}

// Run restores like Restore and, without -d, stays until the program ends, as a shell's
// foreground job: keys that send a signal (Ctrl-C, Ctrl-\) are for the program to heed, and
// Ctrl-Z, fg and bg work. It returns what the caller is to exit with: the program's own
// exit code, or 128 and the number of the signal that ended it.
func Run(ctx context.Context, opts Options) (exitCode int, err error) {
	keys := make(chan os.Signal, 1) // caught, not ignored: that would be handed on to criu
	signal.Notify(keys, unix.SIGINT, unix.SIGQUIT)
	defer signal.Stop(keys)
	p, err := Restore(ctx, opts)
	if err != nil || p.Detached {
		return 0, err
	}
	job := newJob(p, opts.Stdin)
	defer job.close()
	for {
		status, err := p.next(unix.WUNTRACED)
		switch {
		case err != nil:
			return 0, err
		case status.Stopped():
			job.stopped()
		case status.Signaled():
			return 128 + int(status.Signal()), nil
		default:
			return status.ExitStatus(), nil
		}
	}
}

// isChild says whether pid is a child of ours.
func isChild(pid int) bool {
	return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, nil) == nil
}

// end kills and reaps a child of which nothing is to stay; it is no error if there is none.
func end(pid int) {
	if !isChild(pid) {
		return
	}
	_ = unix.Kill(pid, unix.SIGKILL) // criu has done so, unless it was killed itself
	for {
		if _, err := unix.Wait4(pid, nil, unix.WALL, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
