package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// signalError is the signal that ended a command.
type signalError struct{ sig syscall.Signal }

func (e signalError) Error() string { return "interrupted by " + unix.SignalName(e.sig) }

// withSignals runs a command whose context the first ending signal cancels; a second
// one ends fastcr as it would have without us. What was ignored from the start, as nohup
// and shells' background jobs have it, stays so. Ctrl-Z is for nobody who holds a frozen
// target: it is not obeyed.
func withSignals(f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var ending []os.Signal
	for _, s := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		if !signal.Ignored(s) {
			ending = append(ending, s)
		}
	}
	got := make(chan os.Signal, 1)
	if len(ending) > 0 {
		signal.Notify(got, ending...)
		defer signal.Stop(got)
	}
	stops := make(chan os.Signal, 1) // received, not ignored: what fastcr starts would inherit that
	signal.Notify(stops, unix.SIGTSTP)
	defer signal.Stop(stops)
	signal.Ignore(unix.SIGTTOU) // a log on the terminal stops nobody
	defer signal.Reset(unix.SIGTTOU)

	go func() {
		select {
		case s := <-got:
			signal.Reset(ending...)
			cancel(signalError{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	err := f(ctx)
	var by signalError
	switch {
	case err == nil || !errors.As(context.Cause(ctx), &by):
		return err
	case err == context.Canceled:
		return by
	case !errors.As(err, &by):
		return fmt.Errorf("%w: %w", by, err)
	}
	return err
}

// dieOf ends fastcr by a signal, so that the shell sees what it expects: 128 and
// the signal's number.
func dieOf(sig syscall.Signal) int {
	if sig != unix.SIGQUIT { // the runtime would print its goroutines
		signal.Reset(sig)
		if unix.Kill(os.Getpid(), sig) == nil {
			time.Sleep(time.Second) // it is delivered to any thread
		}
	}
	return 128 + int(sig)
}
