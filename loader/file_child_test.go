package loader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// caseIndex is where a case is in fileCases.
var caseIndex = map[string]int{}

func init() {
	for i, c := range fileCases {
		caseIndex[c.name] = i
	}
	childModes["files"] = childFiles
	childModes["watches"] = childWatches
	childModes["unshared"] = childUnshared
}

// A fileCase opens files in the child; the first becomes descriptor at, the
// next at+1 and so on.
type fileCase struct {
	name string
	kind fastcr.FileKind // of the first
	open func(at int)
}

// The descriptor of case i is caseFirst + i*caseStep.
const (
	caseFirst = 100
	caseStep  = 10
)

func caseFD(name string) int {
	i, ok := caseIndex[name]
	if !ok {
		panic("no file case " + name)
	}
	return caseFirst + i*caseStep
}

// childDir is where the child's files lie; the parent makes and removes it.
func childDir() string { return os.Getenv("FASTCR_CHILD_DIR") }

func childFiles() {
	for i, c := range fileCases {
		c.open(caseFirst + i*caseStep)
	}
}

// put makes fd descriptor at.
func put(fd int, err error, at int, flags int) int {
	must(err)
	must(unix.Dup3(fd, at, flags))
	must(unix.Close(fd))
	return at
}

func openAt(at int, name string, flags int) int {
	fd, err := unix.Open(filepath.Join(childDir(), name), flags, 0o640)
	return put(fd, err, at, 0)
}

func device(path string, flags int) func(at int) {
	return func(at int) {
		fd, err := unix.Open(path, flags, 0)
		put(fd, err, at, 0)
	}
}

func raw(open func() (int, error)) func(at int) {
	return func(at int) {
		fd, err := open()
		if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOENT) {
			return // not on this kernel
		}
		put(fd, err, at, unix.O_CLOEXEC)
	}
}

var fileCases = []fileCase{
	{"append", fastcr.KindRegular, func(at int) {
		fd := openAt(at, "append", unix.O_CREAT|unix.O_RDWR|unix.O_APPEND|unix.O_CLOEXEC)
		_, err := unix.Write(fd, []byte("0123456789"))
		must(err)
		must(unix.Dup3(fd, at+1, unix.O_CLOEXEC))
	}},
	{"far", fastcr.KindRegular, func(at int) {
		fd := openAt(at, "far", unix.O_CREAT|unix.O_WRONLY|unix.O_SYNC|unix.O_NOATIME)
		_, err := unix.Seek(fd, 5<<32, unix.SEEK_SET)
		must(err)
	}},
	{"deleted", fastcr.KindRegular, func(at int) {
		openAt(at, "deleted", unix.O_CREAT|unix.O_RDWR)
		must(unix.Unlink(filepath.Join(childDir(), "deleted")))
	}},
	{"named deleted", fastcr.KindRegular, func(at int) { openAt(at, "x (deleted)", unix.O_CREAT|unix.O_RDWR) }},
	{"renamed over", fastcr.KindRegular, func(at int) {
		openAt(at, "over", unix.O_CREAT|unix.O_RDWR)
		openAt(at+1, "other", unix.O_CREAT|unix.O_RDWR)
		must(unix.Rename(filepath.Join(childDir(), "other"), filepath.Join(childDir(), "over")))
	}},
	{"directory", fastcr.KindRegular, func(at int) { openAt(at, ".", unix.O_RDONLY|unix.O_DIRECTORY) }},
	{"path", fastcr.KindRegular, func(at int) { openAt(at, "append", unix.O_PATH) }},
	{"path of a fifo", fastcr.KindRegular, func(at int) {
		must(unix.Mkfifo(filepath.Join(childDir(), "fifo"), 0o600))
		openAt(at, "fifo", unix.O_PATH)
	}},
	{"path of a terminal", fastcr.KindRegular, device("/dev/ptmx", unix.O_PATH)},
	{"null", fastcr.KindCharDev, device("/dev/null", unix.O_RDWR)},
	{"random", fastcr.KindCharDev, device("/dev/urandom", unix.O_RDONLY)},
	{"fuse", fastcr.KindUnknown, device("/dev/fuse", unix.O_RDWR)},
	{"pipe", fastcr.KindPipe, func(at int) {
		var p [2]int
		must(unix.Pipe2(p[:], unix.O_NONBLOCK))
		put(p[0], nil, at, 0)
		put(p[1], nil, at+1, 0)
		_, err := unix.FcntlInt(uintptr(at), unix.F_SETPIPE_SZ, 1<<18)
		must(err)
		_, err = unix.Write(at+1, make([]byte, 70001))
		must(err)
		must(unix.Dup2(at+1, at+2))
	}},
	{"packets", fastcr.KindPipe, func(at int) {
		var p [2]int
		must(unix.Pipe2(p[:], unix.O_DIRECT))
		put(p[0], nil, at, 0)
		put(p[1], nil, at+1, 0)
		for range 3 {
			_, err := unix.Write(at+1, []byte("four"))
			must(err)
		}
	}},
	{"fifo", fastcr.KindFIFO, func(at int) {
		openAt(at, "fifo", unix.O_RDWR)
		_, err := unix.Write(at, []byte("in the fifo"))
		must(err)
	}},
	{"owned", fastcr.KindPipe, func(at int) {
		var p [2]int
		must(unix.Pipe2(p[:], 0))
		put(p[0], nil, at, 0)
		put(p[1], nil, at+1, 0)
		setOwner(at, 1, unix.Getpid())    // F_OWNER_PID
		setOwner(at+1, 2, unix.Getpgrp()) // F_OWNER_PGRP
		_, err := unix.FcntlInt(uintptr(at), unix.F_SETSIG, int(unix.SIGUSR2))
		must(err)
		_, err = unix.FcntlInt(uintptr(at), unix.F_SETFL, unix.O_ASYNC)
		must(err)
	}},
	{"pty", fastcr.KindTTY, func(at int) { childPty(at) }},
	{"locked pty", fastcr.KindTTY, func(at int) {
		fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
		put(fd, err, at, 0)
	}},
	{"hung up", fastcr.KindTTY, func(at int) {
		master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
		must(err)
		must(unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0))
		n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
		must(err)
		device("/dev/pts/"+strconv.Itoa(n), unix.O_RDWR|unix.O_NOCTTY)(at)
		must(unix.Close(master))
	}},
	{"eventfd", fastcr.KindEventfd, raw(func() (int, error) { return unix.Eventfd(4711, 0) })},
	{"semaphore", fastcr.KindEventfd, raw(func() (int, error) { return unix.Eventfd(3, unix.EFD_SEMAPHORE|unix.EFD_NONBLOCK) })},
	{"signalfd", fastcr.KindSignalfd, raw(func() (int, error) {
		return unix.Signalfd(-1, &unix.Sigset_t{Val: [16]uint64{1<<9 | 1<<63 | 1<<8}}, 0)
	})},
	{"timer", fastcr.KindTimerfd, timer(unix.CLOCK_MONOTONIC, 0, 7, 1000)},
	{"timer off", fastcr.KindTimerfd, timer(unix.CLOCK_REALTIME, 0, 0, 0)},
	{"timer absolute", fastcr.KindTimerfd, timer(unix.CLOCK_REALTIME, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, 0, 4e9)},
	{"timer boot", fastcr.KindTimerfd, timer(unix.CLOCK_BOOTTIME, 0, 0, 5000)},
	{"timer alarm", fastcr.KindTimerfd, timer(unix.CLOCK_BOOTTIME_ALARM, 0, 3, 2000)},
	{"timer alarm real", fastcr.KindTimerfd, timer(unix.CLOCK_REALTIME_ALARM, 0, 0, 2500)},
	{"epoll", fastcr.KindEpoll, func(at int) {
		fd, err := unix.EpollCreate1(0)
		put(fd, err, at, 0)
		put2, err := unix.EpollCreate1(0)
		put(put2, err, at+1, 0)
		for _, name := range []string{"eventfd", "pipe", "timer", "fifo"} {
			watch(at, caseFD(name), unix.EPOLLIN|unix.EPOLLET, uint64(caseFD(name))<<40|5)
		}
		watch(at+1, at, unix.EPOLLIN|unix.EPOLLONESHOT, ^uint64(0))
	}},
	{"inotify", fastcr.KindInotify, func(at int) {
		fd, err := unix.InotifyInit1(unix.IN_NONBLOCK)
		put(fd, err, at, 0)
		for name, mask := range map[string]uint32{
			".": unix.IN_ALL_EVENTS, "append": unix.IN_MODIFY | unix.IN_ONESHOT, "far": unix.IN_ACCESS | unix.IN_EXCL_UNLINK,
		} {
			_, err := unix.InotifyAddWatch(at, filepath.Join(childDir(), name), mask)
			must(err)
		}
	}},
	{"memfd", fastcr.KindMemfd, func(at int) {
		fd, err := unix.MemfdCreate("a name", unix.MFD_ALLOW_SEALING)
		put(fd, err, at, unix.O_CLOEXEC)
		must(unix.Ftruncate(at, 12345))
		_, err = unix.FcntlInt(uintptr(at), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW)
		must(err)
	}},
	{"memfd huge", fastcr.KindMemfd, raw(func() (int, error) { return unix.MemfdCreate("huge", unix.MFD_HUGETLB) })},
	{"unix pair", fastcr.KindUnixSocket, func(at int) { childSocketPair(at) }},
	{"unix listener", fastcr.KindUnixSocket, func(at int) {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
		put(fd, err, at, 0)
		must(unix.Bind(at, &unix.SockaddrUnix{Name: fmt.Sprintf("@fastcr-test-%d", unix.Getpid())}))
		must(unix.Listen(at, 17))
		c, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
		put(c, err, at+1, 0)
		must(unix.Connect(at+1, &unix.SockaddrUnix{Name: fmt.Sprintf("@fastcr-test-%d", unix.Getpid())}))
	}},
	{"unix named", fastcr.KindUnixSocket, func(at int) {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		put(fd, err, at, 0)
		must(unix.Bind(at, &unix.SockaddrUnix{Name: filepath.Join(childDir(), "sock")}))
	}},
	{"tcp", fastcr.KindInetSocket, func(at int) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		put(fd, err, at, 0)
		must(unix.Bind(at, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		must(unix.Listen(at, 5))
	}},
	{"netlink", fastcr.KindNetlinkSocket, raw(func() (int, error) { return unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE) })},
	{"packet", fastcr.KindPacketSocket, func(at int) { childPacketSockets(at) }},
	{"namespace", fastcr.KindNamespace, device("/proc/self/ns/uts", unix.O_RDONLY)},
	{"pidfd", fastcr.KindPidfd, raw(func() (int, error) { return unix.PidfdOpen(unix.Getpid(), 0) })},
	{"io_uring", fastcr.KindIOUring, raw(ioUring)},
	{"userfaultfd", fastcr.KindUserfaultfd, raw(userfaultfd)},
	{"fanotify", fastcr.KindFanotify, raw(func() (int, error) { return unix.FanotifyInit(unix.FAN_CLASS_NOTIF, 0) })},
	{"perf", fastcr.KindPerf, raw(func() (int, error) {
		return unix.PerfEventOpen(&unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_DUMMY, Size: unix.PERF_ATTR_SIZE_VER0}, 0, -1, -1, 0)
	})},
	{"bpf", fastcr.KindBPF, raw(bpfMap)},
	{"mount", fastcr.KindAnonOther, raw(func() (int, error) { return unix.Fsopen("tmpfs", 0) })},
	{"flock", fastcr.KindRegular, func(at int) {
		openAt(at, "flock", unix.O_CREAT|unix.O_RDWR)
		must(unix.Flock(at, unix.LOCK_SH))
		must(unix.Dup2(at, at+1))
	}},
	{"posix", fastcr.KindRegular, func(at int) {
		openAt(at, "posix", unix.O_CREAT|unix.O_RDWR)
		openAt(at+1, "posix", unix.O_RDWR)
		lock(at, unix.F_SETLK, unix.F_WRLCK, 10, 5)
		lock(at, unix.F_SETLK, unix.F_RDLCK, 100, 0)
	}},
	{"ofd", fastcr.KindRegular, func(at int) {
		openAt(at, "ofd", unix.O_CREAT|unix.O_RDWR)
		openAt(at+1, "ofd", unix.O_RDWR)
		lock(at, unix.F_OFD_SETLK, unix.F_RDLCK, 1, 2)
		lock(at+1, unix.F_OFD_SETLK, unix.F_RDLCK, 0, 0)
	}},
	{"lease", fastcr.KindRegular, func(at int) {
		openAt(at, "lease", unix.O_CREAT|unix.O_RDONLY)
		_, err := unix.FcntlInt(uintptr(at), unix.F_SETLEASE, unix.F_RDLCK)
		must(err)
	}},
	{"many locks", fastcr.KindRegular, func(at int) {
		openAt(at, "many locks", unix.O_CREAT|unix.O_RDWR)
		for i := range childLockCount {
			lock(at, unix.F_SETLK, unix.F_WRLCK, int64(2*i), 1)
		}
	}},
}

const childLockCount = 1000

func lock(fd, cmd int, typ int16, start, length int64) {
	must(unix.FcntlFlock(uintptr(fd), cmd, &unix.Flock_t{Type: typ, Start: start, Len: length}))
}

// timer sets a timer to value milliseconds from now, or at a time in seconds.
func timer(clock, flags int, interval, value int64) func(at int) {
	return func(at int) {
		fd, err := unix.TimerfdCreate(clock, unix.TFD_NONBLOCK)
		put(fd, err, at, 0)
		spec := unix.ItimerSpec{Interval: unix.NsecToTimespec(interval * 1e6), Value: unix.NsecToTimespec(value * 1e6)}
		if flags&unix.TFD_TIMER_ABSTIME != 0 {
			spec.Value = unix.Timespec{Sec: value}
		}
		must(unix.TimerfdSettime(at, flags, &spec, nil))
	}
}

func watch(ep, fd int, events uint32, data uint64) {
	e := unix.EpollEvent{Events: events, Fd: int32(uint32(data)), Pad: int32(data >> 32)}
	must(unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &e))
}

func childPty(at int) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	put(fd, err, at, 0)
	must(unix.IoctlSetPointerInt(at, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(at, unix.TIOCGPTN)
	must(err)
	device("/dev/pts/"+strconv.Itoa(n), unix.O_RDWR|unix.O_NOCTTY)(at + 1)
	_, err = unix.Setsid()
	if !errors.Is(err, syscall.EPERM) {
		must(err)
	}
	must(unix.IoctlSetInt(at+1, unix.TIOCSCTTY, 0))
	must(unix.IoctlSetPointerInt(at, unix.TIOCPKT, 1))
	must(unix.IoctlSetInt(at+1, unix.TIOCEXCL, 0))
	t, err := unix.IoctlGetTermios(at+1, unix.TCGETS)
	must(err)
	t.Lflag &^= unix.ECHO | unix.ICANON
	t.Cc[unix.VMIN], t.Cc[unix.VINTR] = 3, 0x1d
	must(unix.IoctlSetTermios(at+1, unix.TCSETS, t))
	must(unix.IoctlSetWinsize(at, unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 99, Xpixel: 7, Ypixel: 9}))
}

func childSocketPair(at int) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(err)
	put(p[0], nil, at, 0)
	put(p[1], nil, at+1, 0)
	for opt, v := range map[int]int{
		unix.SO_SNDBUF: 50000, unix.SO_RCVLOWAT: 5, unix.SO_PRIORITY: 4, unix.SO_PASSCRED: 1, unix.SO_KEEPALIVE: 1,
		unix.SO_REUSEADDR: 1, unix.SO_BROADCAST: 1, unix.SO_OOBINLINE: 1,
	} {
		must(unix.SetsockoptInt(at, unix.SOL_SOCKET, opt, v))
	}
	must(unix.SetsockoptTimeval(at, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 3, Usec: 500000}))
	must(unix.SetsockoptLinger(at, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 12}))
	must(unix.Shutdown(at, unix.SHUT_RD))
	_, err = unix.Write(at, []byte("queued"))
	must(err)
}

const (
	childWatchCount = 20000
	childEpollFD    = 300
	childInotifyFD  = 301
)

// childWatches has an epoll instance that watches very much, and an inotify
// instance that watches more than one program call may write.
func childWatches() {
	ep, err := unix.EpollCreate1(0)
	put(ep, err, childEpollFD, 0)
	for i := 0; i < childWatchCount; {
		// A watch is of a file and a descriptor, and stays when the descriptor goes.
		ev, err := unix.Eventfd(0, 0)
		must(err)
		for j := range 200 {
			fd, err := unix.FcntlInt(uintptr(ev), unix.F_DUPFD, 400+j)
			must(err)
			watch(childEpollFD, fd, unix.EPOLLIN, uint64(i))
			must(unix.Close(fd))
			i++
		}
	}
	in, err := unix.InotifyInit1(0)
	put(in, err, childInotifyFD, 0)
	for i := range childInotifyCount {
		name := filepath.Join(childDir(), strconv.Itoa(i))
		must(os.WriteFile(name, nil, 0o600))
		_, err := unix.InotifyAddWatch(childInotifyFD, name, unix.IN_MODIFY)
		must(err)
	}
}

const childInotifyCount = 1500

// childUnshared has a thread with a table of its own, in which 900 is another file.
func childUnshared() {
	openAt(900, "shared", unix.O_CREAT|unix.O_RDWR)
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		must(unix.Unshare(unix.CLONE_FILES))
		openAt(900, "own", unix.O_CREAT|unix.O_RDWR)
		done <- true
		select {}
	}()
	<-done
}
