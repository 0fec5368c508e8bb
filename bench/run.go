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
	Restores  bool          // measure a restore too
	After     time.Duration // how long the target is watched before and after a dump
	ImagesDir string        // where images are written, removed again; empty: a tmpfs of our own
	Progress  func(string)  // what is being done
}

// patience is how long one command may take.
const patience = 5 * time.Minute

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
	images, undo, err := imagesDir(p.ImagesDir, dir)
	if err != nil {
		return nil, err
	}
	defer undo()
	res := newResults(ctx, p)
	r := &runner{Plan: p, load: load, images: images, res: res}
	for i := range p.Workloads {
		if err := r.workload(ctx, &p.Workloads[i]); err != nil {
			if ctx.Err() != nil {
				return res, ctx.Err()
			}
			for _, d := range p.Dumpers {
				res.add(Sample{Workload: p.Workloads[i].Name(), Dumper: d.Name, Failed: err.Error()})
			}
		}
	}
	return res, nil
}

// imagesDir is an empty directory for images: in a tmpfs, or below what was asked for.
func imagesDir(asked, dir string) (images string, undo func(), err error) {
	if asked != "" {
		images, err = os.MkdirTemp(asked, "fastcr-bench-images-")
		return images, func() { os.RemoveAll(images) }, err
	}
	images = filepath.Join(dir, "images")
	if err := os.Mkdir(images, 0o700); err != nil {
		return "", nil, err
	}
	if err := unix.Mount("tmpfs", images, "tmpfs", 0, "size=90%"); err != nil {
		return "", nil, fmt.Errorf("mount a tmpfs for images: %w", err)
	}
	return images, func() { _ = unix.Unmount(images, unix.MNT_DETACH) }, nil
}

type runner struct {
	*Plan
	load, images string
	res          *Results
	refused      map[string]string // dumper → why it does not dump this workload
}

func (r *runner) say(format string, args ...any) {
	if r.Progress != nil {
		r.Progress(fmt.Sprintf(format, args...))
	}
}

// workload measures one workload with every dumper in turn.
func (r *runner) workload(ctx context.Context, w *Workload) error {
	if w.Server != nil {
		if why := w.Server.Missing(); why != "" {
			for _, d := range r.Dumpers {
				r.res.add(Sample{Workload: w.Name(), Dumper: d.Name, Refused: notPossible + ": " + why})
			}
			return nil
		}
	}
	r.say("%s: starts", w.Name())
	t, err := r.start(ctx, w)
	if err != nil {
		return err
	}
	defer t.Close()
	r.refused = map[string]string{}
	for round := 0; round <= r.Rounds; round++ { // the first warms up
		for i := range r.Dumpers {
			d := &r.Dumpers[i]
			if r.refused[d.Name] != "" || d.Impossible != "" && round > 0 {
				continue
			}
			r.say("%s: %s, round %d of %d", w.Name(), d.Name, round, r.Rounds)
			s := Sample{Workload: w.Name(), Dumper: d.Name, Round: round}
			r.dump(ctx, d, t, &s)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !s.ok() {
				r.refused[d.Name] = s.Refused + s.Failed
			}
			if round > 0 || !s.ok() {
				r.res.add(s)
			}
		}
	}
	if err := t.Check(ctx); err != nil {
		return fmt.Errorf("after the dumps: %w", err)
	}
	if r.Restores {
		return r.restores(ctx, w)
	}
	return nil
}

// dump makes one dump that leaves the target running.
func (r *runner) dump(ctx context.Context, d *Dumper, t program, s *Sample) {
	if d.Impossible != "" {
		s.Refused = d.Impossible
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dir, err := r.freshDir()
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
	err = t.Watch(ctx, s, r.After, func() (err error) {
		m, err = d.run(ctx, argv, dir)
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
	s.Frozen, s.Total, s.CPU, s.Peak = m.frozen, m.total, m.cpu, m.peak
	s.Files, s.Written, s.Stages = m.files, m.size, m.stages
}

// freshDir is an empty images directory.
func (r *runner) freshDir() (string, error) {
	dir := filepath.Join(r.images, "img")
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.Mkdir(dir, 0o700)
}

// prepareDump does what belongs to a dump but is not measured.
func prepareDump(ctx context.Context, d *Dumper, line []string, t program, dir string) (undo func(), argv []string, err error) {
	pid := t.Root()
	argv, undo = append(d.command(line, pid, dir), d.flags(t)...), func() {}
	if len(d.Before) > 0 {
		if err := os.Mkdir(filepath.Join(dir, "pre"), 0o700); err != nil {
			return nil, nil, err
		}
		if _, err := (&Dumper{Name: d.Name}).run(ctx, d.command(d.Before, pid, dir), dir); err != nil {
			return nil, nil, err
		}
	}
	if d.Cgroup != "" {
		var path string
		if path, undo, err = ownCgroup(pid); err != nil {
			return nil, nil, err
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
