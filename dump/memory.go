package dump

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/memory"
)

// memoryPlan is what copying the tree's memory needs, made before the freeze.
type memoryPlan struct {
	procs   []*procMemory
	sources []*memory.Source
	buf     *memory.Buffer
	spill   *memory.Spill
	copier  *memory.Copier
	shms    map[fastcr.ShmID]*memory.Shm
}

// procMemory is one process's part.
type procMemory struct {
	pid     int
	mm      fastcr.KObj // the address space that is open
	scanner *memory.Scanner
	source  *memory.Source
	areas   []memory.Range // to be scanned: nearly all of the address space
	forked  []memory.Range // where it may share pages with processes that were forked
}

// slack is how much more than the look saw is prefaulted, in bytes: a thirty-second
// and a little. Beyond it a page costs a fault in the freeze.
func slack(bytes uint64) uint64 { return bytes/32 + 512<<10 }

func (r *run) prepareMemory() error {
	m := &r.memory
	m.shms = map[fastcr.ShmID]*memory.Shm{}
	r.closeLater(m.close)
	bytes, runs := uint64(0), 0
	for _, p := range r.look.Processes {
		if p.State == fastcr.TaskDead {
			continue
		}
		pm, err := r.addMemory(p)
		if isGone(err) {
			continue
		}
		if err != nil {
			return err
		}
		bytes += pm.source.Pages() * memory.PageSize
		runs += len(pm.source.Runs)
	}
	for _, s := range m.shms {
		bytes += s.Pages() * memory.PageSize
		runs += len(s.Runs)
	}
	limit := r.opts.MemoryLimit
	ready := bytes + slack(bytes)
	if err := r.dir.Reserve(bytes + bytes/256 + 1<<20); err != nil {
		return err
	}
	var err error
	reserve := 2*ready + 64<<20
	if ready > limit {
		if m.spill, err = memory.NewSpill(r.dir.Temp(), limit); err != nil {
			return err
		}
		if err := m.spill.Reserve(ready); err != nil {
			return err
		}
		ready, reserve = limit, limit
	}
	if m.buf, err = memory.NewBuffer(reserve, ready, r.opts.Workers); err != nil {
		return err
	}
	m.copier, err = memory.NewCopier(r.opts.Workers, m.buf, m.spill, runs)
	return err
}

// addMemory prepares one process and scans it once.
func (r *run) addMemory(p *fastcr.Process) (*procMemory, error) {
	pm := &procMemory{pid: p.PID, mm: p.MMID}
	var err error
	if pm.scanner, err = memory.NewScanner(p.PID); err != nil {
		return nil, err
	}
	if pm.source, err = memory.NewSource(p.PID); err != nil {
		pm.scanner.Close()
		return nil, err
	}
	pm.areas, pm.forked = memory.Areas(p.VMAs), memory.Forked(p.VMAs)
	if err := pm.scan(); err != nil {
		pm.close()
		return nil, err
	}
	// Room for a quarter more, so that the scan in the freeze does not allocate.
	grown := make([]memory.Run, len(pm.source.Runs), len(pm.source.Runs)*5/4+1024)
	copy(grown, pm.source.Runs)
	pm.source.Runs = grown
	pm.source.Cow = slices.Grow(pm.source.Cow, len(pm.source.Cow)/4)
	r.memory.procs = append(r.memory.procs, pm)
	r.memory.sources = append(r.memory.sources, pm.source)
	return pm, r.addShared(p)
}

// isGone tells whether an error means that a process has ended.
func isGone(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT)
}

func (pm *procMemory) close() {
	pm.scanner.Close()
	pm.source.Close()
}

// keep drops the processes that are not among pids: they have ended.
func (m *memoryPlan) keep(pids []int) {
	gone := func(pid int) bool { return !slices.Contains(pids, pid) }
	m.procs = slices.DeleteFunc(m.procs, func(pm *procMemory) bool {
		if gone(pm.pid) {
			pm.close()
			return true
		}
		return false
	})
	m.sources = slices.DeleteFunc(m.sources, func(s *memory.Source) bool { return gone(s.PID) })
}

// drop forgets one process.
func (m *memoryPlan) drop(pid int) {
	var others []int
	for _, pm := range m.procs {
		if pm.pid != pid {
			others = append(others, pm.pid)
		}
	}
	m.keep(others)
}

// addShared opens the shared memory objects of a process: those that it maps, and memfds.
func (r *run) addShared(p *fastcr.Process) error {
	for i := range p.VMAs {
		if v := &p.VMAs[i]; v.HasShm() && r.memory.shms[v.Shm] == nil {
			s, err := memory.OpenShm(p.PID, v.Start, v.End)
			if err := r.memory.addShm(v.Shm, s, err); err != nil {
				return err
			}
		}
	}
	for i := range p.Files {
		f := p.Files[i].File
		if id := f.Path.Shm(); f.Kind == fastcr.KindMemfd && r.memory.shms[id] == nil {
			s, err := memory.OpenMemfd(p.PID, p.Files[i].Num)
			if err := r.memory.addShm(id, s, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// addShm keeps an object that was opened, if it is the one that was seen, and scans it.
func (m *memoryPlan) addShm(id fastcr.ShmID, s *memory.Shm, err error) error {
	if err != nil {
		return err
	}
	if s.Dev != id.Dev || s.Ino != id.Ino {
		s.Close()
		return fmt.Errorf("%v is another one by now: it %w", s, errChanged)
	}
	m.shms[id] = s
	return s.Scan()
}

// scan finds the process's pages now.
func (pm *procMemory) scan() error {
	var err error
	if pm.source.Runs, err = pm.scanner.Scan(pm.areas, pm.source.Runs[:0]); err != nil {
		return err
	}
	pm.source.Cow, err = pm.scanner.Cow(pm.source.Runs, pm.forked, pm.source.Cow[:0])
	return err
}

// copy copies all memory of the frozen tree.
func (m *memoryPlan) copy() error {
	for _, pm := range m.procs {
		if err := pm.scan(); err != nil {
			return err
		}
	}
	all := append(make([]*memory.Source, 0, 64), m.sources...)
	for _, s := range m.shms {
		if err := s.Scan(); err != nil {
			return err
		}
		all = append(all, s.Source)
	}
	return m.copier.Copy(all)
}

// pages is how many pages of private memory the last scan found.
func (m *memoryPlan) pages() (n uint64) {
	for _, s := range m.sources {
		n += s.Pages()
	}
	return n
}

func (m *memoryPlan) of(pid int) *procMemory {
	for _, pm := range m.procs {
		if pm.pid == pid {
			return pm
		}
	}
	return nil
}

// Runs, Guards and WriteTo make a memoryPlan the images' source of pages.
func (m *memoryPlan) Runs(pid int) []memory.Run         { return m.of(pid).source.Runs }
func (m *memoryPlan) Guards(pid int) []memory.Range     { return m.of(pid).scanner.Guards }
func (m *memoryPlan) WriteTo(pid int, f *os.File) error { return m.copier.WriteTo(m.of(pid).source, f) }

// covers tells whether every process and shared object of the frozen tree was copied.
func (m *memoryPlan) covers(t *fastcr.Tree) error {
	for _, p := range t.Processes {
		if p.State == fastcr.TaskDead {
			continue
		}
		pm := m.of(p.PID)
		if pm == nil {
			return fmt.Errorf("process %d appeared: the tree %w", p.PID, errChanged)
		}
		if err := pm.source.Confine(p.VMAs, pm.areas); err != nil {
			return err
		}
		for i := range p.VMAs {
			if v := &p.VMAs[i]; v.HasShm() && m.shms[v.Shm] == nil {
				return fmt.Errorf("process %d mapped shared memory: it %w", p.PID, errChanged)
			}
		}
	}
	for _, f := range t.Files {
		if f.Kind == fastcr.KindMemfd && m.shms[f.Path.Shm()] == nil {
			return fmt.Errorf("%s was made: the tree %w", f.Path.Path, errChanged)
		}
	}
	return nil
}

func (m *memoryPlan) close() {
	for _, pm := range m.procs {
		pm.close()
	}
	for _, s := range m.shms {
		s.Close()
	}
	if m.copier != nil {
		m.copier.Stop()
	}
	if m.buf != nil {
		m.buf.Free()
	}
	if m.spill != nil {
		m.spill.Close()
	}
}
