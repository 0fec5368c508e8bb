// Command fastcr checkpoints running process trees into CRIU images with a
// freeze as short as the kernel allows, and drives criu to restore them.

// The runtime would take the one processor that a dump keeps to beside a busy
// target for all there is.
//
//go:debug updatemaxprocs=0
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// verb is one of fastcr's commands.
type verb struct {
	name, summary string
	run           func(args []string) error
}

// verbs is a function, not a variable: help needs it and is one of them.
func verbs() []verb {
	return []verb{
		{"dump", "checkpoint a running process tree", runDump},
		{"restore", "bring a checkpoint back to life with criu", runRestore},
		{"check", "say what this machine has and what follows from what is missing", runCheck},
		{"bench", "measure how long programs stand still, fastcr and criu in turn", runBench},
		{"version", "print the version", runVersion},
	}
}

// exitError is an error that wants an exit code of its own and has said all
// there is to say.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	if len(args) == 0 {
		usage(os.Stderr)
		return 2
	}
	switch args[0] {
	case "-h", "--help", "help":
		if args[0] == "help" && len(args) > 1 {
			return run([]string{args[1], "--help"})
		}
		usage(os.Stdout)
		return 0
	case "-V", "--version":
		args[0] = "version"
	}
	args = verbFirst(args)
	for _, v := range verbs() {
		if v.name == args[0] {
			return exitCode(v.name, v.run(args[1:]))
		}
	}
	fmt.Fprintf(os.Stderr, "fastcr: there is no command %q; fastcr --help lists them\n", args[0])
	return 2
}

// exitCode prints err and tells what the process exits with.
func exitCode(name string, err error) int {
	var code exitError
	switch {
	case err == nil || errors.Is(err, pflag.ErrHelp):
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintf(os.Stderr, "fastcr %s: %v\n", name, err)
	var by signalError
	if errors.As(err, &by) {
		return dieOf(by.sig)
	}
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func usage(w io.Writer) {
	fmt.Fprint(w, "fastcr checkpoints running programs; criu restores them.\n\nUsage: fastcr COMMAND [OPTIONS]\n\nCommands:\n")
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-9s %s\n", v.name, v.summary)
	}
	fmt.Fprint(w, `
Example: a shell's job is checkpointed and goes on later
  fastcr dump --pid $(pgrep counter) -D img -j
  fastcr restore -D img -j

fastcr COMMAND --help tells a command's options.
`)
}

// newFlags makes a verb's flag set whose help ends with an example.
func newFlags(name, args, about, example string) *pflag.FlagSet {
	f := pflag.NewFlagSet(name, pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() {
		fmt.Printf("Usage: fastcr %s\n\n%s\n\n", strings.TrimSpace(name+" "+args), about)
		if f.HasFlags() {
			fmt.Printf("Options:\n%s\n", f.FlagUsages())
		}
		fmt.Printf("Example:\n%s\n", indent(example))
	}
	return f
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}

// parse parses args and refuses what is left over.
func parse(f *pflag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return err
		}
		return usageError{fmt.Errorf("%w; fastcr %s --help lists the options", err, f.Name())}
	}
	if f.NArg() > 0 {
		return usageError{fmt.Errorf("unexpected argument %q; fastcr %s --help lists the options", f.Arg(0), f.Name())}
	}
	return nil
}
