package dump

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Processors keeps a program that dumps out of the target's way while that runs:
// beside a thread that computes, all threads of the program share one processor, so
// that none runs in its place. It would stand still for longer than in the freeze.
type Processors struct {
	all, one unix.CPUSet
}

// SpareTarget looks whether the target computes, and has the program keep to the
// calling thread's processor then. Call it early, when there are few threads. nil
// is a valid result: all processors may be used.
func SpareTarget(pid int) *Processors {
	p := &Processors{}
	if err := unix.SchedGetaffinity(0, &p.all); err != nil || p.all.Count() < 2 || !computes(pid) {
		return nil
	}
	f := statFields("/proc/thread-self/stat")
	if f == nil {
		return nil
	}
	cpu, err := strconv.Atoi(f[statProcessor])
	if err != nil || !p.all.IsSet(cpu) {
		return nil
	}
	p.one.Set(cpu)
	p.spare()
	return p
}

// Release lets the program use all processors again.
func (p *Processors) Release() { p.use() }

// spare has the target keep the other processors, use takes them while it is frozen.
func (p *Processors) spare() {
	if p != nil {
		setAffinity(&p.one)
	}
}

func (p *Processors) use() {
	if p != nil {
		setAffinity(&p.all)
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
