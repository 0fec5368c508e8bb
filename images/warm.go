package images

import (
	"github.com/checkpoint-restore/go-criu/v8/crit/images/cgroup"
	criu_core "github.com/checkpoint-restore/go-criu/v8/crit/images/criu-core"
	criu_sa "github.com/checkpoint-restore/go-criu/v8/crit/images/criu-sa"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/fdinfo"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/fs"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/inventory"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/mm"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/pagemap"
	pipe_data "github.com/checkpoint-restore/go-criu/v8/crit/images/pipe-data"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/pstree"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/regfile"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/rseq"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/seccomp"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/stats"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/timens"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/tty"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/vma"
	"google.golang.org/protobuf/proto"

	"github.com/fastcr/fastcr"
)

// Warm encodes an empty message of every common kind. The protobuf library builds
// its tables for a message at its first use, 6 ms in all, more than encoding a
// small program takes: call it beside something that waits.
func Warm() {
	thread := &fastcr.Thread{FPU: make([]byte, fxsaveSize+8)}
	for _, m := range []proto.Message{
		&inventory.InventoryEntry{PluginsEntry: &inventory.PluginsEntry{}},
		&pstree.PstreeEntry{}, &fs.FsEntry{}, kobjIDs(0, 0, 0, 0), &pagemap.PagemapHead{}, &pagemap.PagemapEntry{},
		&mm.MmEntry{Vmas: []*vma.VmaEntry{{}}},
		&criu_core.CoreEntry{
			ThreadInfo: threadInfo(thread),
			Tc: &criu_core.TaskCoreEntry{
				Timers: timers(&fastcr.Process{}), Rlimits: rlimits(&fastcr.Process{}), Sigactions: []*criu_sa.SaEntry{{}},
				SignalsS: signalQueue(make([]fastcr.Siginfo, 1)),
			},
			ThreadCore: &criu_core.ThreadCoreEntry{Creds: credentials(&thread.Creds), Sas: &criu_core.ThreadSasEntry{}, RseqEntry: &rseq.RseqEntry{}},
		},
		&fdinfo.FdinfoEntry{}, &fdinfo.FileEntry{Reg: &regfile.RegFileEntry{Fown: ownerEntry(fastcr.FileOwner{})}, Tty: &tty.TtyFileEntry{}},
		&tty.TtyInfoEntry{Termios: &tty.TermiosEntry{}, Winsize: &tty.WinsizeEntry{}}, &pipe_data.PipeDataEntry{},
		&seccomp.SeccompEntry{}, &timens.TimensEntry{Monotonic: &timens.Timespec{}}, &stats.StatsEntry{Dump: &stats.DumpStatsEntry{}},
		&cgroup.CgroupEntry{},
	} {
		// Required fields are missing: only the tables matter.
		_, _ = proto.MarshalOptions{AllowPartial: true}.Marshal(m)
	}
}
