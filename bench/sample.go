package bench

// Sample is one dump of one workload by one dumper, and is what results.json holds.
// Times are microseconds; a clock that was not read is absent.
type Sample struct {
	Workload string `json:"workload"`
	Dumper   string `json:"dumper"`
	Round    int    `json:"round"`

	Frozen  float64            `json:"frozen_us,omitempty"`   // as the dumper reports it
	Stall   float64            `json:"stall_us,omitempty"`    // the longest gap that the target's own clock saw
	Total   float64            `json:"total_us,omitempty"`    // from the start of the command to its end
	CPU     float64            `json:"cpu_us,omitempty"`      // of the command, user and system
	Peak    float64            `json:"peak_bytes,omitempty"`  // of the command's memory
	Written float64            `json:"image_bytes,omitempty"` // blocks of the images
	Files   float64            `json:"image_files,omitempty"` //
	Slower  float64            `json:"slower,omitempty"`      // how much less the target did in a while after than before: 0.01 is 1 %
	Sync    float64            `json:"sync_us,omitempty"`     // of Total: what was not on the disk yet, and had to be
	Stages  map[string]float64 `json:"stages_us,omitempty"`   // fastcr's own

	// Calls of the target that returned EINTR though nobody sent a signal.
	Interrupted float64 `json:"interrupted_calls,omitempty"`

	// Of a restore.
	Kill       float64 `json:"kill_us,omitempty"`        // the command that dumped the target and ended it
	KillFrozen float64 `json:"kill_frozen_us,omitempty"` // in it, as the dumper reports it: from the freeze to the end
	Restore    float64 `json:"restore_us,omitempty"`     // from the start of the restore to the target's first sign of life
	Away       float64 `json:"away_us,omitempty"`        // from the target's last beat to that sign

	// Of a server: what an open-loop client saw "before", "during" and "after" the dump, and
	// the longest latency in each TimelineStep, from Began before the start of the dump on.
	Latency  map[string]Latency `json:"latency,omitempty"`
	Timeline []float64          `json:"timeline_us,omitempty"`
	Began    float64            `json:"began_us,omitempty"`

	CPUs map[string]string `json:"cpus,omitempty"` // processors that "target" and "dumper", or "server" and "clients" may use

	// Why there are no figures: the dumper refused the workload, cannot be run here,
	// or something went wrong. Wrong: it was restored, but not as it was.
	Refused string `json:"refused,omitempty"`
	Failed  string `json:"failed,omitempty"`
}

// ok tells whether the sample has figures.
func (s *Sample) ok() bool { return s.Refused == "" && s.Failed == "" }

// Clock is one figure of a sample by name.
type Clock struct {
	Name string
	Of   func(*Sample) float64
}

// Clocks are the figures that tables and reports know, the most important first.
var Clocks = []Clock{
	{"frozen", func(s *Sample) float64 { return s.Frozen }},
	{"stall", func(s *Sample) float64 { return s.Stall }},
	{"total", func(s *Sample) float64 { return s.Total }},
	{"cpu", func(s *Sample) float64 { return s.CPU }},
	{"restore", func(s *Sample) float64 { return s.Restore }},
	{"away", func(s *Sample) float64 { return s.Away }},
	{"peak", func(s *Sample) float64 { return s.Peak }},
}

func clockNamed(name string) Clock {
	for _, c := range Clocks {
		if c.Name == name {
			return c
		}
	}
	panic("no clock " + name)
}
