package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// Configuration files, in the order in which criu applies them; the command line comes last.
// Files that do not exist are passed over, as criu does.
const (
	globalConfig = "/etc/criu/default.conf"
	userConfig   = ".criu/default.conf" // in $HOME
	configEnv    = "CRIU_CONFIG_FILE"
)

// configFiles tells which files apply to a command line: --config leaves the default ones out,
// like --no-default-config.
func configFiles(getenv func(string) string, named string, noDefault bool) (files []string) {
	if named == "" && !noDefault {
		files = append(files, globalConfig)
		if home := getenv("HOME"); home != "" {
			files = append(files, filepath.Join(home, userConfig))
		}
	}
	for _, f := range []string{getenv(configEnv), named} {
		if f != "" {
			files = append(files, f)
		}
	}
	return files
}

// applyConfig sets the flags that a file names.
func applyConfig(f *pflag.FlagSet, file string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) && strings.HasSuffix(file, userConfig) {
		return nil // $HOME may be somebody else's
	}
	if err != nil {
		return fmt.Errorf("read configuration file: %w", err)
	}
	entries, err := parseConfig(string(text))
	if err != nil {
		return usageError{fmt.Errorf("%s:%w", file, err)}
	}
	for _, e := range entries {
		if err := e.apply(f); err != nil {
			return usageError{fmt.Errorf("%s:%d: %w", file, e.line, err)}
		}
	}
	return nil
}

// configEntry is one line of a configuration file: an option without its dashes, and
// perhaps its argument.
type configEntry struct {
	line     int // from 1
	name     string
	value    string
	hasValue bool
}

func (e configEntry) apply(f *pflag.FlagSet) error {
	flag, value, err := findFlag(f, e.name)
	if err != nil {
		return err
	}
	switch isBool := flag.Value.Type() == "bool"; {
	case isBool && e.hasValue:
		return fmt.Errorf("%s takes no argument (no-%s turns it off)", e.name, flag.Name)
	case e.hasValue:
		value = e.value
	case isBool:
	case flag.NoOptDefVal == "":
		return fmt.Errorf("%s needs an argument", e.name)
	default:
		value = flag.NoOptDefVal
	}
	return f.Set(flag.Name, value)
}

// parseConfig reads a configuration file. A line is empty, a comment, or an option with at most
// one argument, which may be in double quotes and have escaped ones inside. # starts a
// comment where an argument may start or after it, and ends an argument without quotes. An error begins with
// the line's number.
func parseConfig(text string) (entries []configEntry, err error) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		e := configEntry{line: n}
		rest := ""
		if i := strings.IndexAny(line, " \t\v\f\r"); i >= 0 {
			line, rest = line[:i], strings.TrimLeft(line[i:], " \t\v\f\r")
		}
		e.name = line
		if rest != "" && rest[0] != '#' {
			e.hasValue = true
			if e.value, err = configValue(rest); err != nil {
				return nil, fmt.Errorf("%d: %s: %w", n, e.name, err)
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// configValue reads an argument and wants nothing but a comment after it.
func configValue(s string) (value string, err error) {
	rest := ""
	if s[0] == '"' {
		if value, rest, err = quoted(s[1:]); err != nil {
			return "", err
		}
	} else if i := strings.IndexAny(s, " \t\v\f\r#"); i >= 0 {
		value, rest = s[:i], s[i:]
	} else {
		value = s
	}
	if rest = strings.TrimSpace(rest); rest != "" && rest[0] != '#' {
		return "", fmt.Errorf("%q is more than one argument: put it in double quotes", s)
	}
	return strings.ReplaceAll(value, `\"`, `"`), nil
}

// quoted splits what follows a double quote at the next one that is not escaped.
func quoted(s string) (value, rest string, err error) {
	for i := range len(s) {
		if s[i] == '"' && (i == 0 || s[i-1] != '\\') {
			return s[:i], s[i+1:], nil
		}
	}
	return "", "", errors.New("a double quote is missing")
}
