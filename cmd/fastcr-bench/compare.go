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
	markdown := f.Bool("markdown", false, "print the table as Markdown")
	f.Usage = func() {
		fmt.Printf("Usage: fastcr bench compare OLD NEW [OPTIONS]\n\nCompares two results.json, or the directories that hold them. The exit code is 1 if a\nfigure of NEW is significantly worse.\n\nOptions:\n%s\nExample:\n  fastcr bench compare before after --beyond 20\n", f.FlagUsages())
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 {
		return errors.New("compare wants two results: see --help")
	}
	var r [2]*bench.Results
	for i, path := range f.Args() {
		var err error
		if r[i], err = readResults(path); err != nil {
			return err
		}
	}
	worse, err := bench.Compare(os.Stdout, r[0], r[1], *share/100, *markdown)
	if err == nil && worse > 0 {
		err = fmt.Errorf("%d figures are %w by more than %g %%", worse, errRegression, *share)
	}
	return err
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
