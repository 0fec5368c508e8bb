package images

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/fastcr/fastcr/images/pb"
)

// statsDump is the statistics' file; it is no image and may be replaced.
const statsDump = "stats-dump"

// Stats are CRIU's statistics of a dump.
type Stats struct {
	Freezing, Frozen, MemDump, MemWrite time.Duration
	PagesScanned, PagesWritten          uint64
	SharedScanned, SharedWritten        uint64
}

// WriteStats writes stats-dump; times are microseconds there.
func (d *Dir) WriteStats(s Stats) error {
	w, err := s.image()
	if err != nil {
		return err
	}
	return d.put(statsDump, w)
}

// WriteFile writes stats-dump into a directory that is not the images'.
func (s Stats) WriteFile(dir string) error {
	w, err := s.image()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, statsDump), w.buf, 0o600); err != nil {
		return fmt.Errorf("write statistics: %w", err)
	}
	return nil
}

func (s Stats) image() (*writer, error) {
	us := func(t time.Duration) *uint32 { return u32(t.Microseconds()) }
	w := newWriter(magicService, magicStats)
	if err := w.message(&pb.StatsEntry{Dump: &pb.DumpStatsEntry{
		FreezingTime: us(s.Freezing), FrozenTime: us(s.Frozen), MemdumpTime: us(s.MemDump), MemwriteTime: us(s.MemWrite),
		PagesScanned: &s.PagesScanned, PagesSkippedParent: u64(0), PagesWritten: &s.PagesWritten,
		IrmapResolve: u32(0), PagesLazy: u64(0), PagePipes: u64(0), PagePipeBufs: u64(0),
		ShpagesScanned: &s.SharedScanned, ShpagesSkippedParent: u64(0), ShpagesWritten: &s.SharedWritten,
	}}); err != nil {
		return nil, err
	}
	return w, nil
}

// ReadStats reads a stats-dump, criu's own included.
func ReadStats(r io.Reader) (Stats, error) {
	var e pb.StatsEntry
	in, err := readAfter(r, newWriter(magicService, magicStats).buf)
	if err != nil {
		return Stats{}, err
	}
	if err := in.next(&e); err != nil {
		return Stats{}, fmt.Errorf("read statistics: %w", err)
	}
	us := func(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }
	d := e.GetDump()
	return Stats{
		Freezing: us(d.GetFreezingTime()), Frozen: us(d.GetFrozenTime()), MemDump: us(d.GetMemdumpTime()), MemWrite: us(d.GetMemwriteTime()),
		PagesScanned: d.GetPagesScanned(), PagesWritten: d.GetPagesWritten(),
		SharedScanned: d.GetShpagesScanned(), SharedWritten: d.GetShpagesWritten(),
	}, nil
}
