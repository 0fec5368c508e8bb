package dump

import (
	"context"
	"fmt"
	"slices"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/freeze"
	"github.com/fastcr/fastcr/loader"
	"github.com/fastcr/fastcr/memory"
)

// prepare does, while the target runs, all that can be done before the freeze.
// When it succeeds, r.hold has to be released.
func (r *run) prepare(ctx context.Context) (err error) {
	if r.own, err = ownNamespaces(); err != nil {
		return err
	}
	loaded := r.load()
	r.hold, err = freeze.Prepare(ctx, freeze.Options{Root: r.opts.PID, Timeout: r.opts.Timeout})
	if e := <-loaded; e == nil {
		r.closeLater(r.loader.Close)
	} else if err == nil {
		return joinRelease(e, r.hold)
	}
	if err != nil {
		return err
	}
	r.log.info("prepare", "programs loaded, pinned before: %v", r.loader.Pinned())
	r.log.info("prepare", "%d processes held", len(r.hold.Pids()))
	if err := r.prepareHeld(); err != nil {
		return joinRelease(err, r.hold)
	}
	return nil
}

func joinRelease(err error, h *freeze.Hold) error {
	if e := h.Release(); e != nil {
		return fmt.Errorf("%w; %w", err, e)
	}
	return err
}

// prepareHeld looks at the running tree, refuses what cannot be restored, and
// sizes everything by what it saw.
func (r *run) prepareHeld() (err error) {
	pids := r.hold.Pids()
	if r.cgroups, err = cgroupsOf(r.hold, pids); err != nil {
		return err
	}
	if r.session, err = r.loader.NewSession(pids); err != nil {
		return err
	}
	r.closeLater(r.session.Close)
	if err := r.session.Collect(); err != nil {
		return err
	}
	if err := r.lookAtAIO(); err != nil {
		return err
	}
	if r.look, err = r.session.Look(); err != nil {
		return err
	}
	r.fillRings(r.look, true)
	r.log.info("look", "%d processes, %d files", len(r.look.Processes), len(r.look.Files))
	if err := checkRoot(r.look, r.opts.PID); err != nil {
		return err
	}
	r.opts.markExternal(r.look)
	if err := refuse(r.look, &r.opts, r.own, true); err != nil {
		return err
	}
	if err := r.prepareCgroups(); err != nil {
		return err
	}
	r.sleepers.learn(r.look)
	r.hasPTY = slices.ContainsFunc(r.look.Files, isPTY)
	r.hold.BeforeThaw = r.beforeThaw
	if r.clocks, err = readClockOffsets(r.look.Processes[0], r.own); err != nil {
		return err
	}
	if err := r.prepareContents(); err != nil {
		return err
	}
	if err := r.preparePackets(); err != nil {
		return err
	}
	if err := r.prepareMemory(); err != nil {
		return err
	}
	r.log.info("prepare", "%d pages, memory for them is ready", r.memory.pages())
	return r.rehearse()
}

// rehearse does, while the target runs, what the freeze will do, and forgets
// what it found: code and memory that are used for the first time cost page
// faults, more than half of a small program's freeze. The target is not touched.
func (r *run) rehearse() error {
	if err := r.hold.Rehearse(); err != nil {
		return err
	}
	if err := r.memory.copier.Rehearse(r.memory.pages() * memory.PageSize); err != nil {
		return err
	}
	if err := r.session.EachFile(func(loader.SeenFile) error { return nil }); err != nil {
		return err
	}
	if err := r.session.RearmAIO(); err != nil {
		return err
	}
	return r.session.Rearm()
}

func isPTY(f *fastcr.File) bool {
	const pty = 4 // TTY_DRIVER_TYPE_PTY
	t, ok := f.Detail.(*fastcr.TTY)
	return ok && t.DriverType == pty
}

// checkRoot wants the tree that was read to be the one that was asked for.
func checkRoot(t *fastcr.Tree, root int) error {
	if len(t.Processes) == 0 || t.Processes[0].PID != root {
		return &freeze.TargetError{PID: root, Reason: freeze.ErrExited}
	}
	return nil
}
