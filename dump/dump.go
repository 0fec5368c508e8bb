package dump

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/freeze"
	"github.com/fastcr/fastcr/images"
	"github.com/fastcr/fastcr/loader"
	"github.com/fastcr/fastcr/memory"
)

// run is one dump: what is prepared before the freeze, used in it, and let go
// of at the end.
type run struct {
	opts   Options
	log    *logger
	start  time.Time
	runID  string // names what criu's restore removes
	own    fastcr.Namespaces
	clocks clockOffsets

	dir           *images.Dir
	loader        *loader.Loader
	hold          *freeze.Hold
	session       *loader.Session
	look          *fastcr.Tree // as it was while running, just before the freeze
	tree          *fastcr.Tree // as it was while frozen
	memory        memoryPlan
	contents      contents
	packets       packets
	aio           aioContexts
	sleepers      sleepers
	cgroups       map[int][]fastcr.Cgroup
	threadCgroups map[int][]fastcr.Cgroup       // by thread, of those that are not with their process
	cgroupDirs    map[string][]fastcr.CgroupDir // by hierarchy
	forked        []int                         // processes that came between look and freeze
	hasPTY        bool                          // the tree has an end of a pty open

	res        Result
	frozenAt   time.Time
	closeOrder []func()
}

// Dump checkpoints the process tree below opts.PID into opts.ImagesDir. On an
// error the target runs on as it was and the directory holds no images. An
// error that is a *ScriptError came from a post-dump script: the images are
// complete then, and the target runs on.
func Dump(ctx context.Context, opts Options) (*Result, error) {
	r := &run{opts: opts, start: time.Now()}
	if err := r.opts.normalize(); err != nil {
		return nil, err
	}
	if err := checkCaps(); err != nil {
		return nil, err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent)) // the caller's again at the end
	var err error
	if r.log, err = r.openLog(); err != nil {
		return nil, err
	}
	defer r.log.close()
	r.log.info("dump", "fastcr %s dumps pid %d", r.opts.Version, r.opts.PID)
	if err := r.opts.runScripts(ctx, actionPreDump); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		res, err := r.attempt(ctx)
		if err == nil {
			r.log.info("dump", "Dumping finished successfully")
			return res, nil
		}
		r.log.err("dump", "%v", err)
		if try == attempts || !isTransient(err) || ctx.Err() != nil {
			return nil, err
		}
		r.log.info("dump", "the target changed under the look: once more")
	}
}

// collectAgain turns the collector on at its usual pace for a tree of many parts,
// before its images take as much memory as the look took.
func collectAgain() {
	debug.SetGCPercent(100)
	debug.FreeOSMemory()
}

// isLarge tells whether a tree has more parts than fit into a few dozen megabytes.
func isLarge(t *fastcr.Tree) bool {
	parts := len(t.Files)
	for _, p := range t.Processes {
		parts += len(p.Threads) + len(p.VMAs)
	}
	return parts > 10000
}

// gcPercent has the garbage collector leave a small program's dump alone: it would
// run three times, beside and in the way of what the dump waits for.
const gcPercent = 400

// attempts is how often a dump is tried when the target changes between the look
// and the freeze in a way that the preparation does not fit.
const attempts = 5

// isTransient tells whether a fresh look may succeed.
func isTransient(err error) bool {
	return errors.Is(err, memory.ErrChanged) || errors.Is(err, errChanged) || errors.Is(err, freeze.ErrThawed) || isGone(err)
}

// errChanged is wrapped by errors about a target that changed between look and freeze.
var errChanged = errors.New("changed while it was being frozen")

// attempt is one try of the pipeline, with a state of its own.
func (r *run) attempt(ctx context.Context) (*Result, error) {
	one := &run{opts: r.opts, log: r.log, start: r.start, runID: images.NewRunID()}
	var err error
	if one.dir, err = images.Create(r.opts.ImagesDir); err != nil {
		return nil, err
	}
	defer one.dir.Abort()
	if err := one.dump(ctx); err != nil {
		return nil, err
	}
	one.res.Total = time.Since(r.start)
	return &one.res, nil
}

// dump is the pipeline. Everything that was prepared is released at its end,
// the hold last, so that the target runs even if a later step fails.
func (r *run) dump(ctx context.Context) (err error) {
	debug.SetGCPercent(gcPercent)
	defer func() {
		for i := len(r.closeOrder) - 1; i >= 0; i-- {
			r.closeOrder[i]()
		}
	}()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.hold.Release()) }()

	large := isLarge(r.look)
	r.look = nil // garbage from here on
	debug.SetGCPercent(-1)
	defer context.AfterFunc(ctx, r.memory.copier.Cancel)()
	together := r.memory.pages()*memory.PageSize > copiedAlone
	if together {
		r.opts.Processors.use()
	}
	r.frozenAt = time.Now()
	r.res.Stages.Prepare = r.frozenAt.Sub(r.start)
	if err := r.hold.Freeze(); err != nil {
		return err
	}
	defer r.hold.Thaw()
	defer func() { err = errors.Join(err, r.packets.unlock()) }()
	if err := r.collect(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if r.opts.LeaveRunning {
		if err := r.thaw(); err != nil {
			return err
		}
		if together {
			r.opts.Processors.spare()
		}
	}
	if large {
		collectAgain()
	}
	r.log.info("collect", "frozen %v: freeze %v, collect %v, copy %v", r.res.Frozen, r.res.Stages.Freeze, r.res.Stages.Collect, r.res.Stages.Copy)
	if r.aio.waited > 0 {
		r.log.info("collect", "%v of that passed until AIO requests in flight had ended", r.aio.waited)
	}
	if err := r.encode(); err != nil {
		return err
	}
	return r.finish(ctx)
}

// copiedAlone is how many bytes are copied sooner than other processors have been
// told to help.
const copiedAlone = 1 << 20

// closeLater has f called when the dump is over, in reverse order.
func (r *run) closeLater(f func()) { r.closeOrder = append(r.closeOrder, f) }

// thaw lets the target run on, after mending its interrupted calls if asked to.
func (r *run) thaw() error {
	if r.opts.RestartCalls {
		if err := r.mend(); err != nil {
			return err
		}
	}
	at := time.Now()
	if err := errors.Join(r.hold.StillFrozen(), r.hold.Thaw()); err != nil {
		return err
	}
	now := time.Now()
	r.res.Stages.Thaw, r.res.Frozen = now.Sub(at), now.Sub(r.frozenAt)
	return r.packets.unlock()
}

// mend restarts, in the frozen target, the calls that the freezer made return EINTR.
func (r *run) mend() error {
	var tids []int
	err := r.session.EachInterrupted(func(_, tid int) error {
		tids = append(tids, tid)
		return nil
	})
	if err != nil {
		return err
	}
	if r.res.Restarted, err = freeze.MendInterrupted(tids); err != nil {
		return err
	}
	return r.hold.WaitFrozen()
}

// stillFrozen is an error if the tree, which is not to run on, was thawed meanwhile.
func (r *run) stillFrozen() error {
	if r.opts.LeaveRunning {
		return nil
	}
	return r.hold.StillFrozen()
}

// finish makes the images visible and lets the target go as it was asked to.
func (r *run) finish(ctx context.Context) error {
	at := time.Now()
	if ctx.Err() != nil { // the last moment: from here on the checkpoint is made
		return context.Cause(ctx)
	}
	if err := r.stillFrozen(); err != nil {
		return err
	}
	if err := r.opts.writePidFile(); err != nil {
		return err
	}
	if err := r.dir.Commit(); err != nil {
		r.opts.removePidFile()
		return err
	}
	r.contents.keepLinks = true
	if r.opts.statsInWorkDir() {
		if err := r.stats().WriteFile(r.opts.WorkDir); err != nil {
			r.log.warn("stats", "%v", err)
		}
	}
	r.res.Stages.Sync += time.Since(at)
	if err := r.opts.runScripts(ctx, actionPostDump); err != nil {
		return err
	}
	if err := r.packets.keep(false); err != nil {
		return fmt.Errorf("the images are complete, but the tree runs on: %w", err)
	}
	if err := r.stillFrozen(); err != nil {
		return fmt.Errorf("the images are complete, but the tree runs on: %v", err)
	}
	at = time.Now()
	switch {
	case r.opts.LeaveRunning:
		return nil
	case r.opts.LeaveStopped:
		if err := errors.Join(r.hold.Stop(), r.hold.Thaw()); err != nil {
			return err
		}
	default:
		if err := r.endTree(); err != nil {
			return fmt.Errorf("the images are complete, but the tree was not ended: %w", err)
		}
		r.packets.settle()
		if err := r.packets.keep(true); err != nil {
			return fmt.Errorf("the images are complete and the tree has ended: %w", err)
		}
		r.packets.settle()
	}
	now := time.Now()
	r.res.Stages.Thaw, r.res.Frozen = now.Sub(at), now.Sub(r.frozenAt)
	return nil
}
