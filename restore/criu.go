package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Criu is an installed criu.
type Criu struct {
	Path         string
	Major, Minor int
	Version      string // as criu says it: "4.2.1"
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
		return s + ", none was found: install the package criu, or set FASTCR_CRIU to its path"
	}
	return s + ": " + strings.Join(e.Found, ", ") + "; install a newer one, or set FASTCR_CRIU to its path"
}

// Find looks for a criu that is new enough and starts: FASTCR_CRIU and nothing else if it
// is set; otherwise PATH, and where distributions put it. The error is a *NoCriuError.
func Find(ctx context.Context) (*Criu, error) {
	none := &NoCriuError{}
	for _, path := range candidates() {
		c, err := probe(ctx, path)
		switch {
		case err != nil:
			none.Found = append(none.Found, fmt.Sprintf("%s does not start (%v)", path, err))
		case c.Major < needMajor || c.Major == needMajor && c.Minor < needMinor:
			none.Found = append(none.Found, fmt.Sprintf("%s is %s", path, c.Version))
		default:
			return c, nil
		}
	}
	return nil, none
}

// candidates lists the files to try, each once. FASTCR_CRIU is listed even if there is no
// such file, so that the error names it.
func candidates() []string {
	if env := os.Getenv("FASTCR_CRIU"); env != "" {
		if p, err := exec.LookPath(env); err == nil {
			env = p
		}
		return []string{env}
	}
	var paths []string
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		path := filepath.Join(dir, "criu")
		if !filepath.IsAbs(path) || slices.Contains(paths, path) {
			continue // a criu in the current directory is nobody's installation
		}
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			paths = append(paths, path)
		}
	}
	return paths
}

func probe(ctx context.Context, path string) (*Criu, error) {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		var exit *exec.ExitError
		var file *os.PathError
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &exit) && len(exit.Stderr) > 0:
			return nil, errors.New(lastLine(exit.Stderr))
		case errors.As(err, &file):
			return nil, file.Err
		}
		return nil, err
	}
	return parseVersion(path, string(out))
}

func lastLine(b []byte) string {
	b = bytes.TrimSpace(b)
	return string(b[bytes.LastIndexByte(b, '\n')+1:])
}

// parseVersion reads "Version: 4.2.1".
func parseVersion(path, out string) (*Criu, error) {
	for line := range strings.Lines(out) {
		v, ok := strings.CutPrefix(line, "Version: ")
		if !ok {
			continue
		}
		v = strings.TrimSpace(v)
		major, rest, ok := strings.Cut(v, ".")
		if !ok {
			break
		}
		minor := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		c := Criu{Path: path, Version: v}
		var err1, err2 error
		c.Major, err1 = strconv.Atoi(major)
		c.Minor, err2 = strconv.Atoi(minor)
		if err1 != nil || err2 != nil {
			break
		}
		return &c, nil
	}
	return nil, fmt.Errorf("it does not say its version: %q", strings.TrimSpace(out))
}
