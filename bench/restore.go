package bench

import (
	"context"
	"fmt"
	"time"
)

// restores has the dumpers in turn end a fresh target, brings it back, and has it check itself.
func (r *runner) restores(ctx context.Context, w *Workload) error {
	for round := 1; round <= r.Restores; round++ {
		for i := range r.Dumpers {
			d := &r.Dumpers[i]
			if !d.takes(w) || r.refused[d.Name] != "" || round > 1 && r.slow[d.Name] || d.Impossible != "" || len(d.Kill) == 0 || len(d.Restore) == 0 {
				continue
			}
			r.step("%s: %s, restore %d of %d", w.Name(), d.Name, round, r.Restores)
			s := Sample{Workload: w.Name(), Dumper: d.Name, Round: r.Rounds + round}
			if err := r.restore(ctx, d, w, &s); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				s.fail(err)
				r.refused[d.Name] = s.Refused + s.Failed
			}
			r.res.add(s)
		}
	}
	return nil
}

func (r *runner) restore(ctx context.Context, d *Dumper, w *Workload, s *Sample) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errTooLong)
	defer cancel()
	t, err := r.start(ctx, w)
	if err != nil {
		return err
	}
	undo := func() {}
	defer func() {
		t.Close()
		undo() // a restore puts the tree into the cgroup that was made for the dump
	}()
	dir, err := r.place.fresh()
	if err != nil {
		return err
	}
	var argv []string
	if undo, argv, err = prepareDump(ctx, d, d.Kill, t, dir); err != nil {
		return err
	}
	pids := treeOf(t.Root())
	m, err := d.run(ctx, argv, dir)
	if err == nil {
		m.sync, err = r.place.sync()
	}
	if err != nil {
		return err
	}
	t.Gone()
	awaitGone(pids)
	sign, at := t.Sign(ctx), time.Now()
	if _, err := (&Dumper{Name: "restore"}).run(ctx, append(d.command(d.Restore, t.Root(), dir), d.flags(t)...), dir); err != nil {
		return fmt.Errorf("restore: %s", err) // its own word, but no refusal to dump
	}
	if err := sign(); err != nil {
		return err
	}
	s.Restore = micros(time.Since(at))
	s.Kill, s.KillFrozen, s.Away = m.total+m.sync, m.frozen, t.Away()
	if err := t.Check(ctx); err != nil {
		return fmt.Errorf("restored, but wrong: %w", err)
	}
	return nil
}
