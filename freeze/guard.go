package freeze

import (
	"bytes"
	"errors"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// rescueFor is how long the guardian tries to put things back.
const rescueFor = time.Minute

// The guardian takes over before main, and before packages that need long to
// start: any program that uses this package can be its own guardian, and cannot
// forget to.
func init() {
	if len(os.Args) == 1 && os.Args[0] == guardianName {
		os.Exit(guard())
	}
}

// watched is a cgroup that the guardian was told of; origin is empty for one
// that only needs to be thawed.
type watched struct{ dir, origin string }

func parseWatch(message []byte) (watched, bool) {
	dir, origin, ok := bytes.Cut(message, []byte{0})
	return watched{string(dir), string(origin)}, ok && len(dir) > 0
}

// guard is the guardian's life: it learns which cgroups there are, and when
// fastcr is gone it thaws them, moves the tasks back and removes them. It
// returns an exit code.
func guard() int {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGPIPE, unix.SIGUSR1, unix.SIGUSR2)
	closeInherited()
	nameItself()
	var list []watched
	buf := make([]byte, 3*unix.PathMax)
	for {
		fds := []unix.PollFd{{Fd: guardianSocket, Events: unix.POLLIN}, {Fd: guardianPidfd, Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return 2
		}
		// All that was sent is read, even when fastcr is dead already.
		if fds[0].Revents != 0 {
			n, err := unix.Read(guardianSocket, buf)
			switch {
			case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EINTR):
				continue // reset: fastcr died with an answer unread; messages may follow
			case err != nil || n == 0:
				return rescue(list)
			}
			if w, ok := parseWatch(buf[:n]); ok {
				list = append(list, w)
				_ = unix.Send(guardianSocket, []byte{1}, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
			}
		} else if fds[1].Revents != 0 {
			return rescue(list)
		}
	}
}

// closeInherited closes what fastcr has from its own parent: a pipe held open
// here would keep somebody waiting for its end. Descriptors that survived the
// exec are told from those of the Go runtime by the flag that they lack.
func closeInherited() {
	dir, err := openAt("/proc/self", "fd", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	var fds []int
	buf := make([]byte, 4096)
	for {
		n, err := unix.ReadDirent(dir, buf)
		if err != nil || n <= 0 {
			break
		}
		_, _, names := unix.ParseDirent(buf[:n], -1, nil)
		for _, name := range names {
			if fd, err := strconv.Atoi(name); err == nil {
				fds = append(fds, fd)
			}
		}
	}
	for _, fd := range fds {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if fd > guardianPidfd && err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
}

// nameItself sets the name that ps shows, which would be "exe". Package os is
// not used for files here: it would open an epoll descriptor too.
func nameItself() {
	if fd, err := openAt("/proc/self", "comm", unix.O_WRONLY); err == nil {
		_, _ = unix.Write(fd, []byte(guardianName))
		unix.Close(fd)
	}
}

// rescue thaws first: that is what the tasks wait for.
func rescue(list []watched) (code int) {
	for _, w := range list {
		fd, err := openAt(w.dir, "cgroup.freeze", unix.O_WRONLY)
		if err != nil {
			continue // not made yet, or removed already
		}
		if _, err := unix.Write(fd, thawed); err != nil {
			code = 1
		}
		unix.Close(fd)
	}
	for _, w := range list {
		if w.origin != "" && dissolve(w.dir, w.origin, rescueFor) != nil {
			code = 1
		}
	}
	return code
}
