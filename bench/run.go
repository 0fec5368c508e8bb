package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Plan says what is measured.
type Plan struct {
	Workloads []Workload
	Dumpers   []Dumper
	Rounds    int           // dumps of each workload by each dumper, after one that warms up
	Restores  int           // restores of each workload by each dumper
	After     time.Duration // how long the target is watched before and after a dump
	Enough    time.Duration // no Extra workload is begun later than this; 0: they are all measured
	ImagesDir string        // where images are written and synced, removed again; empty: a tmpfs of our own
	Progress  func(done, total int, what string)
	Measured  func(*Results) error // called after each workload with what there is
}

// patience is how long one command may take.
const patience = 5 * time.Minute

var errTooLong = fmt.Errorf("not done after %v: it was ended", patience)

// Run measures. Dumpers take turns on the same process in every round, so that what
// happens on the machine meanwhile happens to all of them. It returns early, with
// what there is, when ctx is done.
func Run(ctx context.Context, p *Plan) (*Results, error) {
	dir, err := os.MkdirTemp("", "fastcr-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become the parent of orphans: %w", err)
	}
	load, err := Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	for i := range p.Dumpers {
		p.Dumpers[i].clock = filepath.Join(dir, runProgram)
	}
	places := places{asked: p.ImagesDir, tmpfs: filepath.Join(dir, "images")}
	if err := places.open(); err != nil {
		return nil, err
	}
	defer places.close()
	r := &runner{Plan: p, load: load, places: places, res: newResults(ctx, p)}
	for i := range p.Workloads {
		r.total += r.steps(&p.Workloads[i])
	}
	began := time.Now()
	for i := range p.Workloads {
		if p.Workloads[i].Extra && p.Enough > 0 && time.Since(began) > p.Enough {
			r.res.Plan.LeftOut = append(r.res.Plan.LeftOut, p.Workloads[i].Name())
			continue
		}
		done := r.done
		err := r.workload(ctx, &p.Workloads[i])
		if ctx.Err() != nil {
			return r.res, ctx.Err()
		}
		if err != nil {
			r.fail(&p.Workloads[i], err)
		}
		r.done = done + r.steps(&p.Workloads[i])
		if p.Measured != nil {
			if err := p.Measured(r.res); err != nil {
				return r.res, err
			}
		}
	}
	return r.res, nil
}

type runner struct {
	*Plan
	load        string
	places      places
	res         *Results
	done, total int               // steps
	place       place             // of this workload's images
	refused     map[string]string // dumper → why it does not dump this workload
	slow        map[string]bool   // dumpers that take long
}

// A dumper that takes so long is clear after a few rounds: microseconds, and how many.
const (
	slow       = 20e6
	slowRounds = 3
)

// steps is how many dumps and restores a workload takes.
func (r *runner) steps(w *Workload) (n int) {
	for i := range r.Dumpers {
		if r.Dumpers[i].takes(w) {
			n += r.Rounds + 1 + r.Restores
		}
	}
	return n
}

// step says what is done next.
func (r *runner) step(format string, args ...any) {
	if r.Progress != nil {
		r.Progress(r.done, r.total, fmt.Sprintf(format, args...))
	}
	r.done++
}

// fail notes for every dumper why a workload has no figures.
func (r *runner) fail(w *Workload, err error) {
	for i := range r.Dumpers {
		if d := &r.Dumpers[i]; d.takes(w) {
			s := Sample{Workload: w.Name(), Dumper: d.Name}
			s.fail(err)
			r.res.add(s)
		}
	}
}

// workload measures one workload with every dumper in turn.
func (r *runner) workload(ctx context.Context, w *Workload) (err error) {
	if w.Server != nil {
		if why := w.Server.Missing(); why != "" {
			r.fail(w, &refusedError{notPossible + ": " + why})
			return nil
		}
	}
	if r.place, err = r.places.of(w); err != nil {
		return err
	}
	defer r.place.clear()
	r.res.place(w.Name(), r.place.unusual)
	t, err := r.start(ctx, w)
	if err != nil {
		return err
	}
	defer t.Close()
	r.refused, r.slow = map[string]string{}, map[string]bool{}
	for round := 0; round <= r.Rounds; round++ { // the first warms up
		for i := range r.Dumpers {
			if err := r.turn(ctx, &r.Dumpers[i], w, t, round); err != nil {
				return err
			}
		}
	}
	if err := t.Check(ctx); err != nil {
		return fmt.Errorf("after the dumps: %w", err)
	}
	t.Close()
	return r.restores(ctx, w)
}

// turn is one dumper's turn in a round.
func (r *runner) turn(ctx context.Context, d *Dumper, w *Workload, t program, round int) error {
	if !d.takes(w) || r.refused[d.Name] != "" || d.Impossible != "" && round > 0 || round > slowRounds && r.slow[d.Name] {
		return nil
	}
	r.step("%s: %s, round %d of %d", w.Name(), d.Name, round, r.Rounds)
	s := Sample{Workload: w.Name(), Dumper: d.Name, Round: round}
	r.dump(ctx, d, t, &s)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !s.ok() {
		r.refused[d.Name] = s.Refused + s.Failed
	}
	r.slow[d.Name] = s.Total > slow
	if round > 0 || !s.ok() {
		r.res.add(s)
	}
	return nil
}

// dump makes one dump that leaves the target running.
func (r *runner) dump(ctx context.Context, d *Dumper, t program, s *Sample) {
	if d.Impossible != "" {
		s.Refused = d.Impossible
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errTooLong)
	defer cancel()
	dir, err := r.place.fresh()
	if err != nil {
		s.Failed = err.Error()
		return
	}
	undo, argv, err := prepareDump(ctx, d, d.Dump, t, dir)
	if err != nil {
		s.fail(err)
		return
	}
	defer undo()
	var m *measured
	after := r.After
	if s.Round == 0 {
		after = 0 // it does not count
	}
	err = t.Watch(ctx, s, after, func() (err error) {
		if m, err = d.run(ctx, argv, dir); err == nil {
			m.sync, err = r.place.sync()
		}
		return err
	})
	if err != nil {
		s.fail(err)
		return
	}
	s.take(m)
}

// fail notes why there are no figures.
func (s *Sample) fail(err error) {
	var refused *refusedError
	if errors.As(err, &refused) {
		s.Refused = refused.reason
	} else {
		s.Failed = err.Error()
	}
}

func (s *Sample) take(m *measured) {
	s.Frozen, s.Total, s.CPU, s.Peak = m.frozen, m.total+m.sync, m.cpu, m.peak
	s.Files, s.Written, s.Stages, s.Sync = m.files, m.size, m.stages, m.sync
}

// prepareDump does what belongs to a dump but is not measured.
func prepareDump(ctx context.Context, d *Dumper, line []string, t program, dir string) (undo func(), argv []string, err error) {
	pid := t.Root()
	argv, undo = append(d.command(line, pid, dir), d.flags(t)...), func() {}
	if len(d.Before) > 0 {
		if err := os.Mkdir(filepath.Join(dir, preDir), 0o700); err != nil {
			return undo, nil, err
		}
		if _, err := (&Dumper{Name: d.Name}).run(ctx, d.command(d.Before, pid, dir), dir); err != nil {
			return undo, nil, err
		}
	}
	if d.Cgroup != "" {
		var path string
		if path, undo, err = ownCgroup(pid); err != nil {
			return func() {}, nil, err
		}
		argv = append(argv, d.Cgroup, path)
	}
	return undo, argv, nil
}

// pace is how many beats a microsecond the target does in a while; 0 for no while.
func (t *Target) pace(while time.Duration) float64 {
	if while == 0 {
		return 0
	}
	at, n := time.Now(), t.beats()
	time.Sleep(while)
	return float64(t.beats()-n) / micros(time.Since(at))
}
