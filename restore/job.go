package restore

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// job hands a shell's job control on to a restored program that kept a process group of its
// own: the shell knows the group of its own child only, which is ours.
type job struct {
	group int // the program's; 0 if it is ours or of another session, so nothing is to do
	tty   int
	cont  chan os.Signal
}

func newJob(p *Process, stdin *os.File) *job {
	j := &job{tty: int(os.Stdin.Fd()), cont: make(chan os.Signal, 1)}
	if stdin != nil {
		j.tty = int(stdin.Fd())
	}
	session, err1 := unix.Getsid(0)
	its, err2 := unix.Getsid(p.PID)
	group, err3 := unix.Getpgid(p.PID)
	if err1 != nil || err2 != nil || err3 != nil || its != session || group == unix.Getpgrp() {
		return j
	}
	j.group = group
	signal.Ignore(unix.SIGTTOU) // or we could not hand the terminal over from the background
	signal.Notify(j.cont, unix.SIGCONT)
	go func() {
		for range j.cont {
			j.continued()
		}
	}()
	return j
}

// stopped stops our own group, for the shell to see; it is no event in a group that no shell
// looks after.
func (j *job) stopped() {
	if j.group != 0 {
		_ = unix.Kill(0, unix.SIGTSTP)
	}
}

// continued does what the shell did to us (fg, bg) to the program.
func (j *job) continued() {
	if front, err := unix.IoctlGetInt(j.tty, unix.TIOCGPGRP); err == nil && front == unix.Getpgrp() {
		_ = unix.IoctlSetPointerInt(j.tty, unix.TIOCSPGRP, j.group)
	}
	_ = unix.Kill(-j.group, unix.SIGCONT)
}

func (j *job) close() {
	signal.Stop(j.cont)
	close(j.cont)
	if j.group != 0 {
		signal.Reset(unix.SIGTTOU)
	}
}
