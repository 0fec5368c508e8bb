package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/fastcr/fastcr/bench"
)

// errRegression is wrapped by compare's error about a figure that is significantly worse.
var errRegression = errors.New("worse")

// compare puts two results side by side.
func compare(args []string) error {
	f := pflag.NewFlagSet("fastcr bench compare", pflag.ContinueOnError)
	share := f.Float64("beyond", 10, "per cent by which a figure must be worse to count")
	between := f.StringSlice("between", nil, "two dumpers of one run, whose results are compared: OLD,NEW")
	markdown := f.Bool("markdown", false, "print the table as Markdown")
	f.Usage = func() {
		fmt.Printf("Usage: fastcr bench compare OLD NEW [OPTIONS]\n       fastcr bench compare RESULTS --between OLD,NEW [OPTIONS]\n\nCompares two results.json, or the directories that hold them. The exit code is 1 if a\nfigure of NEW is significantly worse.\n\nOptions:\n%s\nExample:\n  fastcr bench compare before after --beyond 20\n", f.FlagUsages())
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	old, new, err := toCompare(f.Args(), *between)
	if err != nil {
		return err
	}
	worse, err := bench.Compare(os.Stdout, old, new, *share/100, *markdown)
	if err == nil && worse > 0 {
		err = fmt.Errorf("%d figures are %w by more than %g %%", worse, errRegression, *share)
	}
	return err
}

// toCompare reads two results, or two dumpers of one.
func toCompare(paths, between []string) (old, new *bench.Results, err error) {
	if want := 2 - len(between)/2; len(paths) != want || len(between)%2 != 0 || len(between) > 2 {
		return nil, nil, errors.New("compare wants two results, or one and --between: see --help")
	}
	if old, err = readResults(paths[0]); err != nil {
		return nil, nil, err
	}
	if len(between) == 0 {
		new, err = readResults(paths[1])
		return old, new, err
	}
	if new, err = old.Only(between[1], between[1]); err != nil {
		return nil, nil, err
	}
	old, err = old.Only(between[0], between[1])
	return old, new, err
}

// readResults reads a results.json, or that of a directory.
func readResults(path string) (*bench.Results, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		path = filepath.Join(path, resultsName)
	}
	return bench.ReadResults(path)
}

// report writes the page of results anew.
func report(args []string) error {
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		return errors.New("usage: fastcr bench report DIR writes DIR/report.html anew, from DIR/results.json")
	}
	r, err := readResults(args[0])
	if err != nil {
		return err
	}
	return writePage(r, args[0])
}
