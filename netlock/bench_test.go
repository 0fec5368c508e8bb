package netlock

import (
	"fmt"
	"testing"
)

var counts = []int{1, 100, 5000}

// BenchmarkPrepare is before the freeze.
func BenchmarkPrepare(b *testing.B) {
	needRoot(b)
	for _, method := range []Method{BPF, Nftables} {
		for _, n := range counts {
			b.Run(fmt.Sprintf("method=%s/conns=%d", method, n), func(b *testing.B) {
				conns := manyConns(n)
				for b.Loop() {
					l, err := Prepare(Options{Method: method, RunID: testRun, Conns: conns})
					if err != nil {
						b.Fatal(err)
					}
					l.Close()
				}
			})
		}
	}
}

// BenchmarkLockUnlock is what the freeze has, with connections that Prepare knew and with
// others.
func BenchmarkLockUnlock(b *testing.B) {
	needRoot(b)
	for _, method := range []Method{BPF, Nftables} {
		for _, n := range counts {
			for _, known := range []bool{true, false} {
				b.Run(fmt.Sprintf("method=%s/known=%v/conns=%d", method, known, n), func(b *testing.B) {
					benchLock(b, method, manyConns(n), known)
				})
			}
		}
	}
}

func benchLock(b *testing.B, method Method, conns []Conn, known bool) {
	o := Options{Method: method, RunID: testRun, Conns: conns}
	if !known { // as many, for the room that they make
		o.Conns = make([]Conn, len(conns))
		for i, c := range conns {
			o.Conns[i] = Conn{Local: c.Remote, Remote: c.Local}
		}
		conns = conns[:min(len(conns), room(len(conns))-len(conns))]
	}
	l, err := Prepare(o)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for b.Loop() {
		l.all = l.all[:0]
		if !known {
			clear(l.known)
		}
		if err := l.Lock(conns); err != nil {
			b.Fatal(err)
		}
		if err := l.Unlock(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(conns)), "conns")
}

// BenchmarkKeep is after the images are complete.
func BenchmarkKeep(b *testing.B) {
	needRoot(b)
	for _, n := range counts {
		b.Run(fmt.Sprintf("conns=%d", n), func(b *testing.B) {
			l, err := Prepare(Options{Method: BPF, RunID: testRun, Conns: manyConns(n), Kept: true})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			l.all = manyConns(n)
			for b.Loop() {
				if err := l.Keep(); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := l.Drop(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
