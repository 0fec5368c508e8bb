package fastcr

import (
	"errors"
	"fmt"
)

// ErrNotSupported is wrapped by errors that say: this machine or format cannot do it.
var ErrNotSupported = errors.New("not supported")

// RefusedError names something in the target that cannot be restored.
// It is returned with the target running, untouched.
type RefusedError struct {
	PID    int
	FD     int    // -1: not about a descriptor
	Object string // path, kind or address
	Reason string // what is in the way
	Advice string // what to do next, may be empty
}

func (e *RefusedError) Error() string {
	s := fmt.Sprintf("pid %d", e.PID)
	if e.FD >= 0 {
		s += fmt.Sprintf(" fd %d", e.FD)
	}
	if e.Object != "" {
		s += " (" + e.Object + ")"
	}
	s += ": " + e.Reason
	if e.Advice != "" {
		s += "; " + e.Advice
	}
	return s
}

// Is makes a RefusedError an ErrNotSupported.
func (e *RefusedError) Is(target error) bool { return target == ErrNotSupported }
