package bench

import (
	"context"
	"fmt"
	"time"
)

// restores has every dumper end a fresh target, brings it back, and has it check itself.
func (r *runner) restores(ctx context.Context, w *Workload) error {
	for i := range r.Dumpers {
		d := &r.Dumpers[i]
		if r.refused[d.Name] != "" || d.Impossible != "" || len(d.Kill) == 0 || d.Restore[0] == "" {
			continue
		}
		r.say("%s: %s, restore", w.Name(), d.Name)
		s := Sample{Workload: w.Name(), Dumper: d.Name, Round: r.Rounds + 1}
		if err := r.restore(ctx, d, w, &s); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s.fail(err)
		}
		r.res.add(s)
	}
	return nil
}

func (r *runner) restore(ctx context.Context, d *Dumper, w *Workload, s *Sample) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t, err := r.start(ctx, w)
	if err != nil {
		return err
	}
	defer t.Close()
	dir, err := r.freshDir()
	if err != nil {
		return err
	}
	undo, argv, err := prepareDump(ctx, d, d.Kill, t, dir)
	if err != nil {
		return err
	}
	pids := treeOf(t.Root())
	_, err = d.run(ctx, argv, dir)
	undo()
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
	if err := t.Check(ctx); err != nil {
		return fmt.Errorf("restored, but wrong: %w", err)
	}
	return nil
}
