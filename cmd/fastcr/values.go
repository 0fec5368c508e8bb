package main

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
)

// bytesValue is a flag of bytes with criu's suffixes K, M, G.
type bytesValue uint64

func (b *bytesValue) String() string {
	if *b == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(*b), 10)
}

func (b *bytesValue) Type() string { return "bytes" }

func (b *bytesValue) Set(s string) error {
	shift := 0
	digits := s
	if n := len(s); n > 0 {
		if i := strings.IndexByte("KMG", s[n-1]&^0x20); i >= 0 {
			shift, digits = 10*(i+1), s[:n-1]
		}
	}
	v, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || v > 1<<63>>shift {
		return fmt.Errorf("%q is not a number of bytes such as 4096, 10M or 2G", s)
	}
	*b = bytesValue(v << shift)
	return nil
}

// verbosity is a log level that -v raises by one, -vvv by three, and -v4 sets, as criu counts.
type verbosity int

// raise is the value of -v alone.
const raise = "+1"

func (v *verbosity) String() string { return strconv.Itoa(int(*v)) }
func (v *verbosity) Type() string   { return "level" }

func (v *verbosity) Set(s string) error {
	switch n, err := strconv.Atoi(s); {
	case s == raise:
		*v++
	case s != "" && strings.Trim(s, "v") == "": // what follows the first v
		*v += verbosity(len(s) + 1)
	case err != nil || n < 0:
		return fmt.Errorf("%q is not a log level: 1 errors, 2 warnings, 3 information, 4 all", s)
	default:
		*v = verbosity(n)
	}
	return nil
}

// release is the version of a release build, set by the linker.
var release string

// version is the release, or the module's version, or the commit it was built from.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
	}
	return v
}
