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

// countVerbosity turns criu's -v, -vv, -vvvv and -v4 into --verbosity=N.
func countVerbosity(args []string) []string {
	out := make([]string, 0, len(args))
	level := 0
	for i, a := range args {
		if a == "--" {
			out = append(out, args[i:]...)
			break
		}
		switch {
		case strings.HasPrefix(a, "-v") && strings.Trim(a, "v") == "-":
			level += len(a) - 1
		case strings.HasPrefix(a, "-v") && len(a) == 3 && a[2] >= '0' && a[2] <= '4':
			level = int(a[2] - '0')
		case a == "--verbosity":
			level = 4
		default:
			out = append(out, a)
		}
	}
	if level > 0 {
		out = append([]string{fmt.Sprintf("--verbosity=%d", level)}, out...)
	}
	return out
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
