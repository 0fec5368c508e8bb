package restore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
)

// maxReasons is how many of criu's errors are told.
const maxReasons = 5

// maxTail is how much of criu's log is kept to look for them, in bytes.
const maxTail = 64 << 10

// tail hands on what criu writes and keeps its end.
type tail struct {
	to  io.Writer
	end []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.end = append(t.end, b...)
	if len(t.end) > 2*maxTail {
		t.end = append(t.end[:0], t.end[len(t.end)-maxTail:]...)
	}
	return t.to.Write(b)
}

// log is the end of what criu logged.
func (r *run) log(stderr *tail) []byte {
	if r.known.logFile == "" {
		return stderr.end
	}
	return append(stderr.end, fileTail(r.inWorkDir(r.known.logFile))...)
}

// failed says whether criu gave up; with --exec-cmd its exit code is the command's.
func failed(log []byte) bool { return bytes.Contains(log, []byte(": Restoring FAILED.")) }

// pidTaken is what criu logs when the kernel refuses a pid.
var pidTaken = regexp.MustCompile(`Can't fork for (\d+): File exists`)

func takenPIDs(log []byte) []int {
	var pids []int
	for _, m := range pidTaken.FindAllSubmatch(log, -1) {
		if pid, err := strconv.Atoi(string(m[1])); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// user names who has a pid.
func user(pid int) string {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return " as somebody's session or process group"
	}
	return fmt.Sprintf(" by %s", bytes.TrimSpace(comm))
}

// passing says whether err will pass by itself: a pid in use that no living process has.
func passing(err error) bool {
	var e *Error
	if !errors.As(err, &e) || len(e.Taken) == 0 {
		return false
	}
	return !slices.ContainsFunc(e.Taken, func(pid int) bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err == nil && !bytes.Contains(stat, []byte(") Z ")) && !bytes.Contains(stat, []byte(") X "))
	})
}

// errorLine is an error in criu's log, behind a time stamp and a pid.
var errorLine = regexp.MustCompile(`(?m)^[ ()0-9.:]*Error \([^()]+:\d+\): *(.+)$`)

// lastErrors finds criu's errors, the last maxReasons of them.
func lastErrors(log []byte) []string {
	var found []string
	for _, m := range errorLine.FindAllSubmatch(log, -1) {
		found = append(found, string(bytes.TrimSpace(m[1])))
	}
	return found[max(0, len(found)-maxReasons):]
}

// fileTail reads the end of a file, nothing if it cannot be read.
func fileTail(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() > maxTail {
		if _, err := f.Seek(-maxTail, io.SeekEnd); err != nil {
			return nil
		}
	}
	b, _ := io.ReadAll(io.LimitReader(f, maxTail))
	return b
}
