package dump

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// processors keeps fastcr out of the target's way while that runs: beside a thread
// that computes, all threads of fastcr share one processor, so that none runs in
// its place. It would stand still for longer than in the freeze.
type processors struct {
	all, one unix.CPUSet
	few      bool // one is in force while the target runs
}

func findProcessors(pid int) (p processors) {
	if err := unix.SchedGetaffinity(0, &p.all); err != nil || p.all.Count() < 2 || !computes(pid) {
		return p
	}
	if f := statFields("/proc/thread-self/stat"); f != nil {
		cpu, err := strconv.Atoi(f[statProcessor])
		p.few = err == nil && p.all.IsSet(cpu)
		p.one.Set(cpu)
	}
	return p
}

// spare has the target keep the other processors; use takes them, while it is frozen.
func (p *processors) spare() { p.set(&p.one) }
func (p *processors) use()   { p.set(&p.all) }

func (p *processors) set(cpus *unix.CPUSet) {
	if p.few {
		setAffinity(cpus)
	}
}

// setAffinity has every thread of fastcr run on these processors. Threads that are
// made later inherit it.
func setAffinity(cpus *unix.CPUSet) {
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.SchedSetaffinity(tid, cpus) // it may have ended
		}
	}
}

// computes tells whether one of the first threads of a process is running or runnable.
func computes(pid int) bool {
	const most = 64 // reading a state takes 10 µs
	dir := fmt.Sprintf("/proc/%d/task", pid)
	tasks, _ := os.ReadDir(dir)
	for _, t := range tasks[:min(len(tasks), most)] {
		if f := statFields(dir + "/" + t.Name() + "/stat"); f != nil && f[statState] == "R" {
			return true
		}
	}
	return false
}

// Fields of /proc/PID/stat behind the command's name, which may hold anything.
const (
	statState     = 0 // field 3
	statProcessor = 39 - 3
)

// statFields reads them; nil when there is no such thread any more.
func statFields(name string) []string {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(f) <= statProcessor {
		return nil
	}
	return f
}
