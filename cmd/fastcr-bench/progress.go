package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr/bench"
)

// progress keeps one line on the terminal that says what is being done; if stderr is none, it
// writes one a minute. done removes the line.
func progress(p *bench.Plan) (done func()) {
	if _, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS); err != nil {
		p.Progress = eachMinute(os.Stderr)
		return func() {}
	}
	bar := progressbar.NewOptions(1,
		progressbar.OptionSetWriter(os.Stderr), progressbar.OptionUseANSICodes(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetWidth(20), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
		progressbar.OptionShowDescriptionAtLineEnd(), progressbar.OptionThrottle(50*time.Millisecond),
	)
	p.Progress = func(done, total int, what string) {
		bar.ChangeMax(total)
		bar.Describe(what)
		_ = bar.Set(done) // no terminal any more
	}
	return func() { _ = bar.Finish() }
}

// eachMinute writes what is being done to a log.
func eachMinute(w io.Writer) func(done, total int, what string) {
	last := time.Now()
	return func(done, total int, what string) {
		if time.Since(last) > time.Minute {
			last = time.Now()
			fmt.Fprintf(w, "fastcr bench: %d of %d, %s\n", done, total, what)
		}
	}
}
