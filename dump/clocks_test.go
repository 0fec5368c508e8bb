package dump

import (
	"testing"
	"time"
)

func TestParseClockOffsets(t *testing.T) {
	got, err := parseClockOffsets("monotonic        -12 250000000\nboottime          86400         0\n")
	if want := (clockOffsets{-11750 * time.Millisecond, 24 * time.Hour}); err != nil || got != want {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := parseClockOffsets("monotonic 1\n"); err == nil {
		t.Error("a line without nanoseconds was taken")
	}
}
