package loader

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func init() { childModes["fds"] = childFDs }

const childFDCount = 5000

// childFDs holds many regular files open.
func childFDs() {
	lim := unix.Rlimit{Cur: childFDCount + 100, Max: childFDCount + 100}
	must(unix.Setrlimit(unix.RLIMIT_NOFILE, &lim))
	dir, err := os.MkdirTemp("", "fastcr-fds")
	must(err)
	defer os.RemoveAll(dir)
	for i := range childFDCount {
		fd, err := unix.Open(filepath.Join(dir, fmt.Sprintf("a-file-with-a-name-%05d", i)), unix.O_CREAT|unix.O_RDWR, 0o600)
		must(err)
		_, err = unix.Seek(fd, int64(i), unix.SEEK_SET)
		must(err)
	}
}

// BenchmarkFile is what the descriptors of one process cost inside the freeze.
func BenchmarkFile(b *testing.B) {
	l := loaded(b)
	for _, mode := range []string{"pause", "fds"} {
		pid := startChild(b, mode).pid
		s, err := l.NewSession([]int{pid})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		st := s.stream("file")
		n := 0
		b.Run(fmt.Sprintf("mode=%s", mode), func(b *testing.B) {
			for b.Loop() {
				if err := st.read(s); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				n = st.arena.size()
				if err := s.Rearm(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(n), "bytes")
		})
	}
}

// stream is the stream of the named source.
func (s *Session) stream(name string) *stream {
	for i := range s.streams {
		if s.streams[i].src.name == name {
			return &s.streams[i]
		}
	}
	return nil
}
