package dump

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// procFiles are the files that /proc has of processes. A restore opens them by their paths; for a process that
// is gone it makes one of that number, which ends afterwards.
type procFiles struct {
	tasks  map[int]int // the tree's: processes by the numbers of their threads
	exists func(path string) bool
}

func newProcFiles(t *fastcr.Tree) *procFiles {
	f := &procFiles{tasks: map[int]int{}, exists: func(path string) bool { return unix.Access(path, unix.F_OK) != unix.ENOENT }}
	for _, p := range t.Processes {
		f.tasks[p.PID] = p.PID
		for _, thread := range p.Threads {
			f.tasks[thread.TID] = p.PID
		}
	}
	return f
}

// procPath takes a path in /proc apart: the process, and the file in its directory.
func procPath(path string) (pid int, below []string) {
	rest, ok := strings.CutPrefix(path, "/proc/")
	if !ok {
		return 0, nil
	}
	names := strings.Split(rest, "/")
	pid, err := strconv.Atoi(names[0])
	if err != nil {
		return 0, nil
	}
	return pid, names[1:]
}

// check says why a restore opens something else, or nothing, by the path of a file of /proc, and fills Helper. Of
// a file that is known to have had its path at the look, nobody asks where it is now.
func (f *procFiles) check(at *fastcr.PathRef, known bool) (reason string) {
	pid, below := procPath(at.Path)
	if pid == 0 {
		if at.Gone || at.Deleted {
			return "is a file of a process that is gone, in a /proc that is mounted elsewhere"
		}
		return ""
	}
	owner, inTree := f.tasks[pid]
	there := inTree || f.exists(fmt.Sprintf("/proc/%d", pid))
	ofThread := len(below) > 1 && below[0] == "task" && below[1] != strconv.Itoa(pid)
	switch {
	case inTree && owner != pid && !at.Gone, ofThread && (inTree || at.Gone || !there):
		return "is a file of a thread, which a restore makes later than it opens files"
	case there && !at.Gone:
		if !known && !f.exists(at.Path) {
			return "is a file that /proc no longer has"
		}
		return ""
	case inTree:
		return fmt.Sprintf("is a file of a process that is gone, whose number is process %d's of the tree by now", owner)
	case there:
		return "is a file of a process that is gone, whose number is another process's by now"
	case len(below) > 1 && (below[0] == "fd" || below[0] == "fdinfo" || below[0] == "map_files"):
		return "is a file of a process that is gone, and of what that had open"
	}
	at.Helper = pid
	return ""
}
