package freeze

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// guardianName is argv[0] of the guardian, a second run of fastcr's own binary,
// and the name of the process.
const guardianName = "fastcr-guardian"

// guardianBinary is what a guardian runs: this program, be its file removed.
var guardianBinary = "/proc/self/exe"

// Descriptors of the guardian beside the standard ones, which are /dev/null.
const (
	guardianSocket = 3 // to fastcr
	guardianPidfd  = 4 // of fastcr
)

// confirmWithin is how long a guardian may take to start on a busy machine.
const confirmWithin = 10 * time.Second

// guardian is fastcr's side. The socket's other end is the guardian's alone, and
// this end fastcr's, so that each learns of the other's death.
type guardian struct {
	socket  int           // SOCK_SEQPACKET; one byte comes back for each message
	watched int           // messages that were not answered yet
	spawned chan struct{} // closed when process and err are known
	process *os.Process
	err     error
	answer  [1]byte
}

// startGuardian starts a guardian out of reach of what may befall fastcr: in a
// session of its own, where the terminal's signals do not reach it, and in the
// hierarchy's topmost cgroup that can be seen, so that it outlives fastcr's own
// service or container being killed. It goes on while that takes its time.
func startGuardian(ms mounts) (*guardian, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start guardian: socketpair: %w", err)
	}
	limit := unix.NsecToTimeval(confirmWithin.Nanoseconds())
	if err := unix.SetsockoptTimeval(pair[0], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		unix.Close(pair[0])
		unix.Close(pair[1])
		return nil, fmt.Errorf("start guardian: %w", err)
	}
	g := &guardian{socket: pair[0], spawned: make(chan struct{})}
	go func() {
		theirs := os.NewFile(uintptr(pair[1]), "guardian socket")
		g.process, g.err = spawnGuardian(theirs, ms)
		theirs.Close()
		close(g.spawned)
	}()
	return g, nil
}

func spawnGuardian(socket *os.File, ms mounts) (*os.Process, error) {
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_open of fastcr: %w", err)
	}
	pidfd := os.NewFile(uintptr(self), "pidfd")
	defer pidfd.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	attr := &os.ProcAttr{
		Dir:   "/",
		Files: []*os.File{null, null, null, socket, pidfd},
		// One thread is enough, and the runtime need not keep files open
		// to learn of more.
		Env: []string{"GOMAXPROCS=1", "GODEBUG=containermaxprocs=0"},
		Sys: &syscall.SysProcAttr{Setsid: true},
	}
	top, err := unix.Open(ms[0].dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(top)
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, top
		if p, err := os.StartProcess(guardianBinary, []string{guardianName}, attr); err == nil {
			return p, nil
		}
		// Not there: the topmost cgroup of a namespace may have controllers,
		// and then no processes.
		attr.Sys.UseCgroupFD = false
	}
	return os.StartProcess(guardianBinary, []string{guardianName}, attr)
}

// watch tells the guardian of a cgroup before it is made or frozen.
func (g *guardian) watch(c *group) error {
	if <-g.spawned; g.err != nil {
		return fmt.Errorf("start guardian: %w", g.err)
	}
	origin := ""
	if c.temporary {
		origin = c.origin
	}
	if err := unix.Send(g.socket, []byte(c.dir+"\x00"+origin), unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("tell guardian of %s: %w", c.dir, err)
	}
	g.watched++
	return nil
}

// confirm waits until the guardian has understood all that it was told. It runs
// just before the freeze, long after: there is nothing left to wait for then.
func (g *guardian) confirm() error {
	for g.watched > 0 {
		n, err := unix.Read(g.socket, g.answer[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && n == 0 {
			err = errors.New("it has died")
		}
		if err != nil {
			return fmt.Errorf("wait for guardian (pid %d): %w", g.process.Pid, err)
		}
		g.watched--
	}
	return nil
}

// dismiss ends the guardian; there is nothing left to guard.
func (g *guardian) dismiss() {
	if <-g.spawned; g.err == nil {
		_ = g.process.Kill() // an error says that it has ended
		// It never runs again; its memory need not be waited for.
		go func() { _, _ = g.process.Wait() }()
	}
	unix.Close(g.socket)
}
