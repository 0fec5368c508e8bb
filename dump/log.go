package dump

import (
	"fmt"
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
	f     *os.File
	level int
	start time.Time
}

// openLog opens the log file; no name means no log. Errors of writing are ignored:
// a log is no reason to fail a checkpoint.
func openLog(name string, level int, start time.Time) (*logger, error) {
	l := &logger{level: level, start: start}
	if name == "" {
		return l, nil
	}
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
