package images

import (
	"time"

	"github.com/checkpoint-restore/go-criu/v8/crit/images/stats"
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
	us := func(t time.Duration) *uint32 { return u32(t.Microseconds()) }
	w := newWriter(magicService, magicStats)
	if err := w.message(&stats.StatsEntry{Dump: &stats.DumpStatsEntry{
		FreezingTime: us(s.Freezing), FrozenTime: us(s.Frozen), MemdumpTime: us(s.MemDump), MemwriteTime: us(s.MemWrite),
		PagesScanned: &s.PagesScanned, PagesSkippedParent: u64(0), PagesWritten: &s.PagesWritten,
		IrmapResolve: u32(0), PagesLazy: u64(0), PagePipes: u64(0), PagePipeBufs: u64(0),
		ShpagesScanned: &s.SharedScanned, ShpagesSkippedParent: u64(0), ShpagesWritten: &s.SharedWritten,
	}}); err != nil {
		return err
	}
	return d.put(statsDump, w)
}
