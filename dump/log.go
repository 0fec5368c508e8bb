package dump

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Levels of the log, criu's numbers.
const (
	levelError = 1
	levelWarn  = 2
	levelInfo  = 3
	levelDebug = 4
)

// logger writes criu's line shape, "(00.000123) Error (stage): text", so that
// scripts that read dump.log keep working. Nothing is logged while the target
// is frozen: callers log before or after.
type logger struct {
	f     io.WriteCloser
	level int
	start time.Time
}

// standard is a stream that stays open.
type standard struct{ io.Writer }

func (standard) Close() error { return nil }

// openLog opens the log. Errors of writing are ignored: a log is no reason to fail a checkpoint.
func (r *run) openLog() (*logger, error) {
	l := &logger{level: r.opts.Verbosity, start: r.start}
	switch name := r.opts.LogFile; {
	case name == "-":
		l.f = standard{os.Stdout}
		return l, nil
	case name == "" && r.opts.LogStderr:
		l.f = standard{os.Stderr}
		return l, nil
	case name == "":
		return l, nil
	}
	name := r.opts.inWorkDir(r.opts.LogFile)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log file: %w", err)
	}
	l.f = f
	return l, nil
}

func (l *logger) print(level int, stage, format string, args ...any) {
	if l.f == nil || level > max(l.level, levelError) {
		return
	}
	since := time.Since(l.start)
	line := fmt.Sprintf("(%02d.%06d) ", int(since.Seconds()), since.Microseconds()%1e6)
	switch level {
	case levelError:
		line += "Error (" + stage + "): "
	case levelWarn:
		line += "Warn  (" + stage + "): "
	default:
		line += stage + ": "
	}
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	fmt.Fprintln(l.f, line+text)
}

func (l *logger) info(stage, format string, args ...any) { l.print(levelInfo, stage, format, args...) }
func (l *logger) warn(stage, format string, args ...any) { l.print(levelWarn, stage, format, args...) }
func (l *logger) err(stage, format string, args ...any)  { l.print(levelError, stage, format, args...) }

func (l *logger) close() {
	if l.f != nil {
		l.f.Close()
	}
}
