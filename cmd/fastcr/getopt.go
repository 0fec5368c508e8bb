package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/pflag"
)

// splitOptions reads a command line as getopt_long does for criu: options and words in any
// order, long ones shortened as far as they stay unique, --no-NAME for what is on or off,
// -vNUM and -vvv. It returns the options as --NAME=VALUE or --NAME, and the words.
func splitOptions(f *pflag.FlagSet, args []string) (options, words []string, err error) {
	for len(args) > 0 {
		a := args[0]
		args = args[1:]
		var flags []string
		switch {
		case a == "--":
			return options, append(words, args...), nil
		case strings.HasPrefix(a, "--"):
			flags, args, err = longOption(f, a[2:], args)
		case len(a) > 1 && a[0] == '-':
			flags, args, err = shortOptions(f, a[1:], args)
		default:
			words = append(words, a)
		}
		if err != nil {
			return nil, nil, err
		}
		options = append(options, flags...)
	}
	return options, words, nil
}

// verbFirst puts dump before its options, which criu allows before it.
func verbFirst(args []string) []string {
	if !strings.HasPrefix(args[0], "-") {
		return args
	}
	var d dumpFlags
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	d.register(f)
	registerCriu(f)
	options, words, err := splitOptions(f, args)
	if err != nil || len(words) == 0 || words[0] != "dump" {
		return args
	}
	return append(append(words[:1:1], options...), words[1:]...)
}

// longOption reads NAME or NAME=VALUE, whose value may be the next argument.
func longOption(f *pflag.FlagSet, a string, next []string) (options, rest []string, err error) {
	name, value, has := strings.Cut(a, "=")
	flag, set, err := findFlag(f, name)
	switch {
	case err != nil:
		return nil, nil, err
	case has && set == "false":
		return nil, nil, fmt.Errorf("--%s takes no argument", name)
	case has:
		return []string{"--" + flag.Name + "=" + value}, next, nil
	case set != "":
		return []string{"--" + flag.Name + "=" + set}, next, nil
	case flag.NoOptDefVal != "":
		return []string{"--" + flag.Name}, next, nil
	case len(next) == 0:
		return nil, nil, fmt.Errorf("--%s needs an argument", flag.Name)
	}
	return []string{"--" + flag.Name + "=" + next[0]}, next[1:], nil
}

// shortOptions reads letters: what follows one that takes a value is its value.
func shortOptions(f *pflag.FlagSet, letters string, next []string) (options, rest []string, err error) {
	for i := range len(letters) {
		flag := f.ShorthandLookup(letters[i : i+1])
		value := letters[i+1:]
		switch {
		case flag == nil:
			return nil, nil, fmt.Errorf("unknown option -%c", letters[i])
		case flag.Value.Type() == "bool" || flag.NoOptDefVal != "" && value == "":
			options = append(options, "--"+flag.Name)
			continue
		case value == "" && len(next) == 0:
			return nil, nil, fmt.Errorf("-%c needs an argument", letters[i])
		case value == "":
			value, next = next[0], next[1:]
		}
		return append(options, "--"+flag.Name+"="+strings.TrimPrefix(value, "=")), next, nil
	}
	return options, next, nil
}

// findFlag finds a long option by its name or a beginning of it that no other has. For --no-NAME
// it returns the value that NAME is set to.
func findFlag(f *pflag.FlagSet, name string) (flag *pflag.Flag, set string, err error) {
	type found struct {
		flag *pflag.Flag
		set  string
	}
	names := map[string]found{}
	f.VisitAll(func(x *pflag.Flag) {
		if n := "no-" + x.Name; x.Value.Type() == "bool" && f.Lookup(n) == nil {
			names[n] = found{x, "false"}
		}
		names[x.Name] = found{x, ""}
		if x.Value.Type() == "bool" {
			names[x.Name] = found{x, "true"}
		}
	})
	if x, ok := names[name]; ok {
		return x.flag, x.set, nil
	}
	var like []string
	for n := range names {
		if name != "" && strings.HasPrefix(n, name) {
			like = append(like, n)
		}
	}
	sort.Strings(like)
	switch len(like) {
	case 0:
		return nil, "", fmt.Errorf("unknown option --%s", name)
	case 1:
		x := names[like[0]]
		return x.flag, x.set, nil
	}
	return nil, "", fmt.Errorf("--%s may be --%s", name, strings.Join(like, ", --"))
}
