package openloop

import (
	"context"
	"errors"
	"testing"
	"time"
)

type fake struct {
	n     int
	stall int // at which request
	long  time.Duration
	err   error
}

func (f *fake) Do(context.Context) error {
	f.n++
	if f.n == f.stall {
		time.Sleep(f.long)
		return f.err
	}
	return nil
}
func (f *fake) Close() error { return nil }

// TestStallIsSeenByAll: while one answer takes 100 ms, those that were due meanwhile are late too.
func TestStallIsSeenByAll(t *testing.T) {
	l := New([]Client{&fake{stall: 20, long: 100 * time.Millisecond}}, 1000)
	r := l.Start(t.Context())
	time.Sleep(300 * time.Millisecond)
	points, err := r.Stop(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	late := 0
	for i, p := range points {
		if p.At != time.Duration(i)*time.Millisecond {
			t.Fatalf("request %d was due at %v", i, p.At)
		}
		if p.Latency > 10*time.Millisecond {
			late++
		}
	}
	if late < 60 || points[19].Latency < 100*time.Millisecond {
		t.Errorf("%d of %d requests are late, the one that stalls by %v", late, len(points), points[19].Latency)
	}
	if l.Done() != uint64(len(points)) {
		t.Errorf("%d done, %d points", l.Done(), len(points))
	}
}

// TestErrorIsTold: the run is over with it, whatever its other clients do.
func TestErrorIsTold(t *testing.T) {
	lost := errors.New("connection lost")
	r := New([]Client{&fake{stall: 3, err: lost}, &fake{}}, 1000).Start(t.Context())
	time.Sleep(50 * time.Millisecond)
	if points, err := r.Stop(time.Second); !errors.Is(err, lost) || !r.Failed() || len(points) < 2 {
		t.Errorf("%v, %d points", err, len(points))
	}
}

// TestWhatIsDueIsSentThoughItIsLate: a run that is stopped while the server stands still has
// all requests that were due until then.
func TestWhatIsDueIsSentThoughItIsLate(t *testing.T) {
	r := New([]Client{&fake{stall: 10, long: 200 * time.Millisecond}}, 1000).Start(t.Context())
	time.Sleep(100 * time.Millisecond)
	due := int(r.Elapsed() / time.Millisecond)
	points, err := r.Stop(time.Second)
	if err != nil || len(points) < due {
		t.Errorf("%d points, %d were due, %v", len(points), due, err)
	}
}
