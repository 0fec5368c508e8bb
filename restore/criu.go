// Package restore finds the installed criu, checks that it and the images are
// what a restore needs, and runs it.
package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// Criu is an installed criu.
type Criu struct {
	Path         string
	Major, Minor int
}

// The oldest criu that restores fastcr's images.
const (
	needMajor = 4
	needMinor = 1
)

// NoCriuError says that no criu was found that is new enough.
type NoCriuError struct {
	Found []string // what was found and why it does not do
}

func (e *NoCriuError) Error() string {
	s := fmt.Sprintf("criu %d.%d or newer is needed", needMajor, needMinor)
	if len(e.Found) == 0 {
		return s + ", none was found; install it, or set FASTCR_CRIU to its path"
	}
	return s + ": " + strings.Join(e.Found, ", ") + "; install a newer one, or set FASTCR_CRIU to its path"
}

// Find looks for a criu that is new enough and starts: FASTCR_CRIU, PATH, and where
// distributions put it.
func Find(ctx context.Context) (*Criu, error) {
	var candidates []string
	if env := os.Getenv("FASTCR_CRIU"); env != "" {
		candidates = []string{env} // named explicitly: nothing else will do
	} else {
		if p, err := exec.LookPath("criu"); err == nil {
			candidates = append(candidates, p)
		}
		candidates = append(candidates, "/usr/sbin/criu", "/usr/local/sbin/criu")
	}
	none := &NoCriuError{}
	for _, path := range candidates {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		c, err := probe(ctx, path)
		switch {
		case err != nil:
			none.Found = append(none.Found, fmt.Sprintf("%s does not start (%v)", path, err))
		case c.Major < needMajor || c.Major == needMajor && c.Minor < needMinor:
			none.Found = append(none.Found, fmt.Sprintf("%s is %d.%d", path, c.Major, c.Minor))
		default:
			return c, nil
		}
	}
	return nil, none
}

func probe(ctx context.Context, path string) (*Criu, error) {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && len(exit.Stderr) > 0 {
			return nil, fmt.Errorf("%s", bytes.TrimSpace(lastLine(exit.Stderr)))
		}
		return nil, err
	}
	return parseVersion(path, string(out))
}

func lastLine(b []byte) []byte {
	b = bytes.TrimSpace(b)
	return b[bytes.LastIndexByte(b, '\n')+1:]
}

// parseVersion reads "Version: 4.2.1".
func parseVersion(path, out string) (*Criu, error) {
	for line := range strings.Lines(out) {
		v, ok := strings.CutPrefix(line, "Version: ")
		if !ok {
			continue
		}
		fields := strings.SplitN(strings.TrimSpace(v), ".", 3)
		major, err := strconv.Atoi(fields[0])
		if err != nil || len(fields) < 2 {
			break
		}
		minor, err := strconv.Atoi(strings.TrimRight(fields[1], "-abcdefghijklmnopqrstuvwxyz"))
		if err != nil {
			break
		}
		return &Criu{Path: path, Major: major, Minor: minor}, nil
	}
	return nil, fmt.Errorf("it does not say its version: %q", strings.TrimSpace(out))
}
