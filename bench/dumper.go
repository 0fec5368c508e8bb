package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fastcr/fastcr/images"
)

// Dumper is a checkpointer as the suite knows it: two command lines, and where its
// own figures are. {pid} and {dir} in a command line are replaced.
type Dumper struct {
	Name    string   `toml:"name"`
	Dump    []string `toml:"dump"`    // leaves the target running
	Kill    []string `toml:"kill"`    // ends it; empty: restores are not measured
	Restore []string `toml:"restore"` // returns when the target runs again
	Before  []string `toml:"before"`  // run before each dump, not measured: a pre-dump, into {dir}/pre
	Sweeps  []string `toml:"sweeps"`  // those that it takes part in unless it is named; empty: all

	// Frozen says where the freeze time is: "json:FIELD" of what the command prints, in
	// microseconds, "criu" for CRIU's stats-dump, or empty.
	Frozen string `toml:"frozen"`

	// Cgroup is the option that names the target's own cgroup, which is made for it then.
	Cgroup string `toml:"cgroup"`
	// Flags are given for a server: its connections are kept, which criu wants to be told.
	Flags *[]string `toml:"flags"` // default: criu's own
	About string    `toml:"about"` // what it is, in a few words
	// Impossible is why it cannot be run here.
	Impossible string `toml:"-"`

	clock string // targets/run.c, through which commands that are measured are run
}

// takes tells whether it takes part in a workload.
func (d *Dumper) takes(w *Workload) bool {
	return len(d.Sweeps) == 0 || slices.Contains(d.Sweeps, w.Sweep) || w.Sweep == ownSweep
}

// preDir is where, in a dump's images directory, those of a pre-dump are.
const preDir = "pre"

// command is a command line for one target and images directory.
func (d *Dumper) command(line []string, pid int, dir string) []string {
	r := strings.NewReplacer("{pid}", strconv.Itoa(pid), "{dir}", dir)
	out := make([]string, len(line))
	for i, word := range line {
		out[i] = r.Replace(word)
	}
	return out
}

// flags are the options that a program needs: criu's, or what the description says.
func (d *Dumper) flags(t program) []string {
	if len(t.Flags()) > 0 && d.Flags != nil {
		return *d.Flags
	}
	return t.Flags()
}

// notPossible begins the reason why a dumper cannot be run at all on this machine.
const notPossible = "not possible"

// refusedError is a dumper's own word that it cannot dump the workload.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return e.reason }

// measured is what one command took.
type measured struct {
	out         []byte
	total, cpu  float64 // microseconds
	peak        float64 // bytes
	frozen      float64 // microseconds
	stages      map[string]float64
	files, size float64
	sync        float64 // microseconds
}

// run runs one command line and reads the dumper's figures.
func (d *Dumper) run(ctx context.Context, argv []string, dir string) (*measured, error) {
	if d.clock != "" {
		argv = append([]string{d.clock}, argv...)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	m, err := clocked(cmd)
	if err != nil {
		text := strings.TrimSpace(errs.String())
		if text == "" {
			text = err.Error()
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		last := reasonIn(text)
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Exited() {
			return nil, &refusedError{last}
		}
		return nil, fmt.Errorf("%s: %w: %s", d.Name, err, last)
	}
	m.out = out.Bytes()
	if err := d.figures(m, dir); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name, err)
	}
	m.files, m.size = countFiles(dir)
	return m, nil
}

// reasonIn is the line that says why: the first error of criu's log, but for what it always
// complains about, or the last line.
func reasonIn(text string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, "Error (") && !strings.Contains(line, "RLIMIT_NOFILE") {
			return strings.TrimSpace(line)
		}
	}
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// figures reads what the dumper says of itself.
func (d *Dumper) figures(m *measured, dir string) error {
	field, isJSON := strings.CutPrefix(d.Frozen, "json:")
	switch {
	case d.Frozen == "criu":
		f, err := os.Open(filepath.Join(dir, "stats-dump"))
		if err != nil {
			return err
		}
		defer f.Close()
		s, err := images.ReadStats(bufio.NewReader(f))
		if err != nil {
			return err
		}
		// Its clock of the frozen time starts when everything is seized.
		m.frozen = float64((s.Freezing + s.Frozen).Microseconds())
	case isJSON:
		var all map[string]json.RawMessage
		if err := json.Unmarshal(m.out, &all); err != nil {
			return fmt.Errorf("its output: %w", err)
		}
		if err := json.Unmarshal(all[field], &m.frozen); err != nil {
			return fmt.Errorf("%s in its output: %w", field, err)
		}
		_ = json.Unmarshal(all["stages_us"], &m.stages) // others have none
	}
	return nil
}

func countFiles(dir string) (files, bytes float64) {
	_ = filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				files, bytes = files+1, bytes+blocks(info)
			}
		}
		return nil
	})
	return files, bytes
}
