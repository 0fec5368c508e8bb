package dump

import (
	"os"
	"time"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images"
	"github.com/fastcr/fastcr/memory"
)

// encode turns what was read into images, all but the commit.
func (r *run) encode() (err error) {
	at := time.Now()
	if r.tree, err = r.session.Decode(); err != nil {
		return err
	}
	r.settleInFlight()
	r.fillRings(r.tree, false)
	r.opts.markExternal(r.tree)
	if err := checkRoot(r.tree, r.opts.PID); err != nil {
		return err
	}
	r.log.info("encode", "decoded")
	// Once more: what was not there at the look may be there now.
	if err := refuse(r.tree, &r.opts, r.own, false); err != nil {
		return err
	}
	if err := r.memory.covers(r.tree); err != nil {
		return err
	}
	if err := r.contents.covers(r.tree); err != nil {
		return err
	}
	if err := r.coversConnections(); err != nil {
		return err
	}
	if err := nameQueues(r.tree); err != nil {
		return err
	}
	if err := r.contents.checkPaths(r.tree, r.opts.LeaveRunning); err != nil {
		return err
	}
	if err := checkSegments(r.tree); err != nil {
		return err
	}
	if err := r.nameWatches(r.tree); err != nil {
		return err
	}
	if err := r.nameSockets(r.tree, r.opts.LeaveRunning); err != nil {
		return err
	}
	if err := r.checkQueues(); err != nil {
		return err
	}
	own, err := readCgroups(os.Getpid())
	if err != nil {
		return err
	}
	for _, p := range r.tree.Processes {
		p.Cgroups = r.cgroups[p.PID]
		for _, t := range p.Threads {
			t.Cgroups = r.threadCgroups[t.TID]
		}
	}
	r.count()
	r.noteLost()
	enc := images.NewEncoder(r.tree, images.EncodeOptions{
		Pages: &r.memory, Shared: r.memory.shared(), BuildID: r.opts.FileValidation == "buildid",
		Ghosts: r.contents.ghosts, Links: r.contents.linkPaths(), Pipes: r.contents.pipes, Queues: r.contents.queues, Sockets: r.contents.socks, TCP: r.contents.tcp.queues,
		OwnCgroups: own, CgroupDirs: r.cgroupDirs, ShellJob: r.opts.ShellJob,
		RunID: r.runID, NetworkLock: r.packets.imageMethod(),
		Monotonic: r.clocks.monotonic, Boottime: r.clocks.boottime,
	})
	if err := enc.WriteAll(r.dir); err != nil {
		return err
	}
	r.res.Stages.Encode = time.Since(at)
	if r.opts.statsInWorkDir() {
		return nil // nobody looks for them there before the images are complete
	}
	return r.dir.WriteStats(r.stats())
}

// stats are criu's statistics of the dump.
func (r *run) stats() images.Stats {
	return images.Stats{
		Freezing: r.res.Stages.Freeze, Frozen: r.res.Frozen - r.res.Stages.Freeze,
		MemDump: r.res.Stages.Copy, MemWrite: r.res.Stages.Encode,
		PagesScanned: r.res.Scanned, PagesWritten: r.res.Pages, SharedScanned: r.res.SharedPages, SharedWritten: r.res.SharedPages,
	}
}

// count fills the result's numbers.
func (r *run) count() {
	for _, p := range r.tree.Processes {
		r.res.PIDs = append(r.res.PIDs, p.PID)
		r.res.Threads += len(p.Threads)
		r.res.VMAs += len(p.VMAs)
		for _, t := range p.Threads {
			if t.Restarted {
				r.res.Interrupted++
			}
		}
	}
	if r.res.Sleepers = r.sleepers.freed; r.res.Sleepers > 0 {
		r.log.info("collect", "%d threads got their sleep restarted with ptrace: their seccomp filter forbids restart_syscall", r.res.Sleepers)
	}
	r.res.Files = len(r.tree.Files)
	r.res.Pages = r.memory.pages()
	for _, s := range r.memory.shms {
		r.res.SharedPages += s.Pages()
	}
	for _, p := range r.tree.Processes {
		for i := range p.VMAs {
			if v := &p.VMAs[i]; v.Kind == fastcr.VMAAnonPrivate || v.Kind == fastcr.VMAFilePrivate {
				r.res.Scanned += (v.End - v.Start) / memory.PageSize
			}
		}
	}
}

// shared are the shared memory objects for the images.
func (m *memoryPlan) shared() (out []images.Shared) {
	for id, s := range m.shms {
		out = append(out, images.Shared{ID: id, Runs: s.Runs, Data: func(f *os.File) error { return m.copier.WriteTo(s.Source, f) }})
	}
	return out
}
