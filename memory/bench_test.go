package memory

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

func BenchmarkScan(b *testing.B) {
	for _, c := range []struct {
		name, target string
		kind         Kind
		has          func(kernelFeatures) kernelFeatures
	}{
		{"kind=mixed", "big:256,512", KindMixed, nil},
		{"kind=anonymous", "big:256,512", KindAnonymous, nil},
		{"kind=huge", "big:256,0", KindAnonymous, nil},
		{"kind=sparse", "big:64,2", KindAnonymous, nil},
		{"kind=entries", "big:256,512", KindMixed, func(kernelFeatures) kernelFeatures { return kernelFeatures{} }},
	} {
		f := start(b, c.target)
		f.area.Kind = c.kind
		has, err := features()
		if err != nil {
			b.Fatal(err)
		}
		if c.has != nil {
			has = c.has(has)
		}
		s := scannerFor(b, f.pid, has)
		areas := []Range{f.area}
		runs, err := s.Scan(areas, nil)
		if err != nil {
			b.Fatal(err)
		}
		n := countPages(runs)
		b.Run(fmt.Sprintf("%s/pages=%d/runs=%d", c.name, n, len(runs)), func(b *testing.B) {
			for b.Loop() {
				if runs, err = s.Scan(areas, runs[:0]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/page")
		})
	}
}

// BenchmarkCopy measures a Copy and, in turn with it, process_vm_readv alone into the
// same buffer: "raw" by one thread, in 4 MiB calls.
func BenchmarkCopy(b *testing.B) {
	const mib = 1024
	for _, c := range []struct{ name, target string }{{"pages=huge", "big:1024,0"}, {"pages=small", "big:1024,512"}} {
		f := start(b, c.target)
		src := sourceOf(b, f)
		size := src.Pages() * PageSize
		for _, workers := range []int{1, 2} {
			copier := newCopier(b, workers, size, nil)
			b.Run(fmt.Sprintf("%s/mib=%d/workers=%d", c.name, mib, workers), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					if err := copier.Copy([]*Source{src}); err != nil {
						b.Fatal(err)
					}
				}
			})
			if workers == 1 {
				b.Run(fmt.Sprintf("%s/mib=%d/raw", c.name, mib), func(b *testing.B) {
					b.SetBytes(int64(size))
					for b.Loop() {
						rawCopy(b, src, copier.mem[0].mem)
					}
				})
			}
		}
	}
}

// rawCopy copies all runs in 4 MiB calls.
func rawCopy(b *testing.B, src *Source, dst []byte) {
	for _, r := range src.Runs {
		for at := r.Start; at < r.End(); at += chunkMax {
			n := min(chunkMax, r.End()-at)
			local := []unix.Iovec{{Base: &dst[0]}}
			local[0].SetLen(int(n))
			got, err := unix.ProcessVMReadv(src.PID, local, []unix.RemoteIovec{{Base: uintptr(at), Len: int(n)}}, 0)
			if err != nil || got != int(n) {
				b.Fatal(got, err)
			}
			dst = dst[n:]
		}
	}
}

// BenchmarkCopySmall is what a small program costs: the whole path, scan and copy.
func BenchmarkCopySmall(b *testing.B) {
	for _, spec := range []string{"anonymous", "big:2,0", "big:8,0"} {
		f := start(b, spec)
		src := sourceOf(b, f)
		s := scannerFor(b, f.pid, must2(features()))
		areas, sources := []Range{f.area}, []*Source{src}
		for _, workers := range []int{1, 2} {
			copier := newCopier(b, workers, max(src.Pages()*PageSize, 1<<20), nil)
			b.Run(fmt.Sprintf("kib=%d/workers=%d", src.Pages()*PageSize>>10, workers), func(b *testing.B) {
				var err error
				for b.Loop() {
					if src.Runs, err = s.Scan(areas, src.Runs[:0]); err != nil {
						b.Fatal(err)
					}
					if err := copier.Copy(sources); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func must2(has kernelFeatures, err error) kernelFeatures {
	must(err)
	return has
}

func BenchmarkPrefault(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("mib=1024/workers=%d", workers), func(b *testing.B) {
			for b.Loop() {
				buf, err := NewBuffer(1<<30, 1<<30, workers)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				buf.Free()
				b.StartTimer()
			}
		})
	}
}
