// Command fastcr-bench measures checkpoint downtime, fastcr and others in turn. It is
// what "fastcr bench" runs: a program of its own, so that plots and statistics do
// not make every start of fastcr slower.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr/bench"
	"github.com/fastcr/fastcr/restore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err == nil || errors.Is(err, pflag.ErrHelp) {
		return
	}
	fmt.Fprintf(os.Stderr, "fastcr bench: %v\n", err)
	if len(os.Args) > 1 && os.Args[1] == "compare" && !errors.Is(err, errRegression) {
		os.Exit(2)
	}
	os.Exit(1)
}

// options are the command line's.
type options struct {
	full, list, noRestore, markdown   bool
	workloads, dumpers                []string
	repeat, restores                  int
	out, imagesDir, external, program string
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "compare" {
		return compare(args[1:])
	}
	if len(args) > 0 && args[0] == "report" {
		return report(args[1:])
	}
	if len(args) == 4 && args[0] == "serve" { // the Go server among the workloads
		return serve(ctx, args[1:])
	}
	var o options
	f := pflag.NewFlagSet("fastcr bench", pflag.ContinueOnError)
	f.SortFlags = false
	f.BoolVar(&o.full, "full", false, "all sweeps, instead of a choice for three minutes")
	f.StringArrayVar(&o.workloads, "workload", nil, "a workload or sweep by name, or one of your own: KEY=VALUE,… (may be repeated)")
	f.StringSliceVar(&o.dumpers, "dumper", nil, "a dumper by name (may be repeated; the first is compared with the others)")
	f.IntVar(&o.repeat, "repeat", 0, "rounds (default 5, with --full 10)")
	f.IntVar(&o.restores, "restores", 0, "restores of each workload by each dumper (default 1, with --full 3)")
	f.BoolVar(&o.list, "list", false, "list workloads and dumpers")
	f.StringVar(&o.out, "out", "", "directory that gets results.json and report.html")
	f.StringVar(&o.imagesDir, "images-dir", "", "where images are written and synced, on a disk for example (default: a tmpfs)")
	f.StringVar(&o.external, "dumpers-file", "", "TOML that describes further dumpers")
	f.StringVar(&o.program, "fastcr", "", "the fastcr to be measured (default: the one beside this program)")
	f.BoolVar(&o.noRestore, "no-restore", false, "do not measure restores")
	f.BoolVar(&o.markdown, "markdown", false, "print the table as Markdown")
	f.Usage = func() {
		fmt.Printf("Usage: fastcr bench [OPTIONS]\n       fastcr bench compare OLD NEW [OPTIONS]\n       fastcr bench report DIR\n\nMeasures how long programs stand still while they are dumped, dumpers in turn.\n\nOptions:\n%s\nExample:\n  fastcr bench --out results\n  fastcr bench --workload memory --workload mib=512,threads=20 --dumper fastcr,criu\n", f.FlagUsages())
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%q is not an option: see --help", f.Arg(0))
	}
	return o.measure(ctx)
}

func (o *options) measure(ctx context.Context) error {
	plan, err := o.plan(ctx)
	if err != nil || plan == nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("dumps need root")
	}
	done := progress(plan)
	if o.out != "" { // a long run that ends before its time is not in vain
		if err := os.MkdirAll(o.out, 0o755); err != nil {
			return err
		}
		plan.Measured = func(r *bench.Results) error { return r.Write(filepath.Join(o.out, resultsName)) }
	}
	res, err := bench.Run(ctx, plan)
	done()
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted: that is what was measured until then")
	}
	if res != nil && len(res.Samples) > 0 {
		err = errors.Join(err, res.Table(os.Stdout, o.markdown), o.write(res))
	}
	return err
}

// plan is what was asked for; nil if it was only listed.
func (o *options) plan(ctx context.Context) (*bench.Plan, error) {
	all := bench.Workloads(bench.Memory())
	criu := ""
	if found, err := restore.Find(ctx); err == nil {
		criu = found.Path
	} else {
		fmt.Fprintf(os.Stderr, "fastcr bench: %v. Until then it is not measured, and nothing is restored.\n", err)
	}
	program, err := o.fastcr()
	if err != nil {
		return nil, err
	}
	dumpers, short := bench.BuiltIn(ctx, program, criu), []string{"fastcr", "criu"}
	if o.external != "" {
		more, err := bench.ReadDumpers(o.external)
		if err != nil {
			return nil, err
		}
		for _, d := range more {
			short = append(short, d.Name)
		}
		dumpers = append(dumpers, more...)
	}
	if o.list {
		list(all, dumpers)
		return nil, nil
	}
	if o.repeat < 0 || o.restores < 0 {
		return nil, errors.New("--repeat and --restores are numbers of rounds")
	}
	p := &bench.Plan{Rounds: 5, Restores: 1, After: 100 * time.Millisecond, ImagesDir: o.imagesDir}
	if o.full {
		p.Rounds, p.Restores, p.After = 10, 3, time.Second
	}
	if o.repeat > 0 {
		p.Rounds = o.repeat
	}
	if o.restores > 0 {
		p.Restores = o.restores
	}
	if o.noRestore {
		p.Restores = 0
	}
	if len(o.dumpers) == 0 && !o.full {
		o.dumpers = short
	}
	if len(o.workloads) == 0 && !o.full {
		p.Enough = 125 * time.Second // an extra workload takes ten or so
	}
	if p.Workloads, err = bench.Choose(all, o.workloads, o.full); err != nil {
		return nil, err
	}
	p.Dumpers, err = bench.ChooseDumpers(dumpers, o.dumpers)
	return p, err
}

// fastcr is the program to be measured.
func (o *options) fastcr() (string, error) {
	if o.program != "" {
		return filepath.Abs(o.program)
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	program := filepath.Join(filepath.Dir(self), "fastcr")
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("there is no fastcr beside %s: name it with --fastcr", self)
	}
	return program, nil
}

func list(workloads []bench.Workload, dumpers []bench.Dumper) {
	fmt.Println("Workloads (those with a * are in the short choice, those with a + if there is time):")
	for _, w := range workloads {
		mark := " "
		if w.Quick {
			mark = "*"
		}
		if w.Extra {
			mark = "+"
		}
		fmt.Printf("  %s %-45s %s\n", mark, w.Name(), w.Sweep)
	}
	fmt.Println("Dumpers:")
	for _, d := range dumpers {
		about := d.About
		if d.Impossible != "" {
			about = d.Impossible
		}
		fmt.Printf("    %-25s %s\n", d.Name, about)
	}
}

// write writes results.json and report.html.
func (o *options) write(res *bench.Results) error {
	if o.out == "" {
		return nil
	}
	if err := res.Write(filepath.Join(o.out, resultsName)); err != nil {
		return err
	}
	return writePage(res, o.out)
}

// resultsName is the file that every single sample is in.
const resultsName = "results.json"

func writePage(res *bench.Results, dir string) error {
	f, err := os.Create(filepath.Join(dir, "report.html"))
	if err != nil {
		return err
	}
	return errors.Join(res.Report(f), f.Close())
}
