package freeze

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// pfKthread is PF_KTHREAD of task_struct.flags, as /proc/PID/stat shows it.
const pfKthread = 0x00200000

// stat is what is needed of /proc/PID/stat. procfs has a parser too, but its
// regular expressions would be compiled at every start of fastcr.
type stat struct {
	comm    string
	state   byte
	ppid    int
	flags   uint64
	threads int
}

// zombie tells whether nothing of the process runs any more.
func (s *stat) zombie() bool { return s.leaderDead() && s.threads <= 1 }

func (s *stat) leaderDead() bool { return s.state == 'Z' || s.state == 'X' }

// parseStat parses /proc/PID/stat. The command name may hold anything, blanks
// and parentheses too.
func parseStat(b []byte) (s stat, err error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return s, errors.New("stat has no command name")
	}
	f := bytes.Fields(b[end+1:])
	if len(f) < 18 || len(f[0]) != 1 {
		return s, errors.New("stat is cut short")
	}
	s.comm, s.state = string(b[open+1:end]), f[0][0]
	var errs [3]error
	s.ppid, errs[0] = strconv.Atoi(string(f[1]))
	s.flags, errs[1] = strconv.ParseUint(string(f[6]), 10, 64)
	s.threads, errs[2] = strconv.Atoi(string(f[17]))
	return s, errors.Join(errs[:]...)
}

// statOf reads /proc/PID/stat.
func statOf(pid int) (stat, error) {
	var buf [1024]byte
	b, err := readProc(pid, "stat", buf[:])
	if err != nil {
		return stat{}, err
	}
	s, err := parseStat(b)
	if err != nil {
		return s, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
	}
	return s, nil
}

// parsePids parses numbers that are separated by blanks or newlines, as in
// cgroup.procs and /proc/PID/task/TID/children, and appends them to pids. Tasks
// outside of the reader's pid namespace are shown as 0.
func parsePids(pids []int, b []byte) []int {
	pid, inside := 0, false
	for _, c := range b {
		if c >= '0' && c <= '9' {
			pid, inside = pid*10+int(c-'0'), true
			continue
		}
		if inside {
			pids = append(pids, pid)
		}
		pid, inside = 0, false
	}
	if inside {
		pids = append(pids, pid)
	}
	return pids
}

// readProc reads /proc/PID/name, into buf if it fits. A process that has ended
// is an os.ErrNotExist.
func readProc(pid int, name string, buf []byte) ([]byte, error) {
	return readFile("/proc/"+strconv.Itoa(pid)+"/"+name, buf)
}

// readFile is os.ReadFile with fewer system calls: trees may have thousands of
// threads, each with its list of children.
func readFile(path string, buf []byte) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, pathError(path, err)
	}
	defer unix.Close(fd)
	n := 0
	for {
		if n == len(buf) {
			buf = append(buf, make([]byte, max(len(buf), 512))...)
		}
		m, err := unix.Read(fd, buf[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, pathError(path, err)
		}
		if m == 0 {
			return buf[:n], nil
		}
		n += m
	}
}

// pathError makes what a file of a process or cgroup says when that is gone an os.ErrNotExist.
func pathError(path string, err error) error {
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV) {
		err = os.ErrNotExist
	}
	return fmt.Errorf("read %s: %w", path, err)
}
