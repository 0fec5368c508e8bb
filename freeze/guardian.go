package freeze

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// guardianName is argv[0] of the guardian and the name of the process.
const guardianName = "fastcr-guardian"

// answerWithin is how long a guardian may take to answer on a busy machine, in
// seconds. It takes less than a millisecond.
const answerWithin = 10

// guardian is fastcr's side of guardian/guardian.c, the process that thaws the
// target if fastcr dies. The socket's other end is the guardian's alone, and
// this end fastcr's, so that each learns of the other's death.
type guardian struct {
	socket int // SOCK_SEQPACKET; one byte comes back for each message
	pid    int // fastcr's own child, so that the number stays its own until it is waited for
}

// startGuardian starts a guardian out of reach of what may befall fastcr: in a
// session of its own, where the terminal's signals do not reach it, and in the
// hierarchy's topmost cgroup that can be seen, so that it outlives fastcr's own
// service or container being killed.
func startGuardian(ms mounts) (*guardian, error) {
	g, err := spawnGuardian(ms)
	if err != nil {
		return nil, fmt.Errorf("start guardian: %w", err)
	}
	return g, nil
}

func spawnGuardian(ms mounts) (_ *guardian, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(pair[1])
	g := &guardian{socket: pair[0]}
	defer func() {
		if err != nil {
			unix.Close(g.socket)
		}
	}()
	limit := unix.Timeval{Sec: answerWithin}
	if err := unix.SetsockoptTimeval(g.socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return nil, err
	}
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_open of fastcr: %w", err)
	}
	defer unix.Close(self)
	null, err := openAt("/dev", "null", unix.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer unix.Close(null)
	program, err := programFile()
	if err != nil {
		return nil, err
	}
	defer unix.Close(program)
	attr := &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{},
		Files: []uintptr{uintptr(null), uintptr(null), uintptr(null), uintptr(pair[1]), uintptr(self)},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	g.pid, err = execIn(ms[0].dir, "/proc/self/fd/"+strconv.Itoa(program), attr)
	return g, err
}

// programFile is the guardian's program as a file in memory.
func programFile() (int, error) {
	fd, err := unix.MemfdCreate(guardianName, unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3 each of them can be executed
		fd, err = unix.MemfdCreate(guardianName, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return -1, fmt.Errorf("memfd_create (sysctl vm.memfd_noexec must be below 2): %w", err)
	}
	if _, err := unix.Write(fd, guardianProgram); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("write its program: %w", err)
	}
	return fd, nil
}

// execIn starts a program in the cgroup at dir, or in fastcr's own where that
// takes no processes: the topmost cgroup of a namespace may have controllers.
func execIn(dir, path string, attr *syscall.ProcAttr) (int, error) {
	argv := []string{guardianName}
	cgroup, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(cgroup)
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, cgroup
		if pid, err := syscall.ForkExec(path, argv, attr); err == nil {
			return pid, nil
		}
		attr.Sys.UseCgroupFD = false
	}
	return syscall.ForkExec(path, argv, attr)
}

// watch tells the guardian of a cgroup before it is made or frozen, and waits
// until it has been understood.
func (g *guardian) watch(c *group) error {
	origin := ""
	if c.temporary {
		origin = c.origin
	}
	err := g.tell([]byte(c.dir+"\x00"+origin), c.dir)
	if errors.Is(err, errNoRoom) {
		return fmt.Errorf("%w: the tree is in too many cgroups", err)
	}
	return err
}

// errNoRoom is a guardian that could not note what it was told.
var errNoRoom = errors.New("no room")

// tell sends a message about what, and waits until it has been understood.
func (g *guardian) tell(message []byte, what string) error {
	if err := unix.Send(g.socket, message, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("tell guardian (pid %d) of %s: %w", g.pid, what, err)
	}
	var answer [1]byte
	for {
		switch n, err := unix.Read(g.socket, answer[:]); {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("wait for guardian (pid %d): %w", g.pid, err)
		case n == 0:
			return fmt.Errorf("guardian (pid %d) has died", g.pid)
		case answer[0] == 0:
			return fmt.Errorf("guardian (pid %d) has %w for %s", g.pid, errNoRoom, what)
		default:
			return nil
		}
	}
}

// dismiss ends the guardian; there is nothing left to guard.
func (g *guardian) dismiss() {
	_ = unix.Kill(g.pid, unix.SIGKILL) // an error says that it has ended
	for {
		if _, err := unix.Wait4(g.pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	unix.Close(g.socket)
}
