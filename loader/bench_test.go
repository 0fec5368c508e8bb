package loader

import (
	"fmt"
	"testing"
)

// BenchmarkCollect is what happens inside the freeze: read(2) of every iterator.
func BenchmarkCollect(b *testing.B) {
	l := loaded(b)
	for _, mode := range []struct {
		name    string
		threads int
	}{{"pause", 1}, {"threads", 500}} {
		b.Run(fmt.Sprintf("threads=%d", mode.threads), func(b *testing.B) {
			var pid int
			if mode.threads == 1 {
				pid = sleeper(b)
			} else {
				pid = startChild(b, mode.name).pid
			}
			s, err := l.NewSession([]int{pid})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			for b.Loop() {
				if err := s.Collect(); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := s.Rearm(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkDecode is done after the thaw.
func BenchmarkDecode(b *testing.B) {
	l := loaded(b)
	for _, c := range []struct {
		name, mode string
		n          int
	}{{"threads", "threads", 500}, {"vmas", "manymaps", manyMaps}, {"fds", "fds", childFDCount}} {
		b.Run(fmt.Sprintf("%s=%d", c.name, c.n), func(b *testing.B) {
			s, err := l.NewSession([]int{startSpeaking(b, c.mode, nil).pid})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			if err := s.Collect(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := s.Decode(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.n), "ns/"+c.name[:len(c.name)-1])
		})
	}
}

// BenchmarkNewSession is the preparation for one process.
func BenchmarkNewSession(b *testing.B) {
	l := loaded(b)
	pid := sleeper(b)
	for b.Loop() {
		s, err := l.NewSession([]int{pid})
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

func BenchmarkLoad(b *testing.B) {
	needBPF(b)
	for b.Loop() {
		l, err := Load(Options{NoPins: true})
		if err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
}
