package dump

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// plainTree is one process that nothing speaks against; it is this one's child in name only.
func plainTree(t *testing.T) (*fastcr.Tree, fastcr.Namespaces) {
	t.Helper()
	own, err := ownNamespaces()
	if err != nil {
		t.Fatal(err)
	}
	p := &fastcr.Process{PID: 4711, SID: 4711, PGID: 4711, Comm: "target", MM: &fastcr.MM{}, MMID: 1, FilesID: 2, FSID: 3, Namespaces: own}
	p.Threads = []*fastcr.Thread{{TID: 4711, Comm: "target", FilesID: 2, FSID: 3}}
	return &fastcr.Tree{Processes: []*fastcr.Process{p}}, own
}

// give opens a file in a process.
func give(t *fastcr.Tree, f *fastcr.File) {
	f.ID = fastcr.KObj(100 + len(t.Files))
	t.Files = append(t.Files, f)
	p := t.Processes[0]
	p.Files = append(p.Files, fastcr.FD{Num: len(p.Files), File: f})
}

func TestRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *fastcr.Tree, p *fastcr.Process, o *Options)
		words  string // empty: not refused
	}{
		"plain":           {func(*fastcr.Tree, *fastcr.Process, *Options) {}, ""},
		"another session": {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) { p.SID = 12 }, "--shell-job"},
		"a job with -j":   {func(_ *fastcr.Tree, p *fastcr.Process, o *Options) { p.SID = 12; o.ShellJob = true }, ""},
		"a zombie":        {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) { p.State = fastcr.TaskDead }, "zombie"},
		"exiting":         {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) { p.MM, p.Flags = nil, pfExiting }, ""},
		"AIO":             {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) { p.MM.AIO = []fastcr.AIOContext{{ID: 0x7000}} }, ""},
		"AIO in flight": {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) {
			p.MM.AIO = []fastcr.AIOContext{{ID: 0x7000, InFlight: 2}}
		}, "AIO context 7000): has 2 requests in flight"},
		"AIO that waits": {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) {
			p.MM.AIO = []fastcr.AIOContext{{ID: 0x7000, InFlight: 2, Waiting: 1}}
		}, "1 requests in flight that wait for an event (IOCB_CMD_POLL)"},
		"32 bits":       {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) { p.Threads[0].Mode32 = true }, "32-bit"},
		"own files":     {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) { p.Threads[0].FilesID = 9 }, "file table"},
		"own directory": {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) { p.Threads[0].FSID = 9 }, "working directory"},
		"a container":   {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) { p.Namespaces.Net++ }, "net namespace"},
		"undo":          {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) { p.Threads[0].Undo, p.Threads[0].UndoSet = true, 7 }, "semaphores 7"},
		"a filter that is traced": {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) {
			p.Threads[0].Traced = true
			p.Threads[0].Seccomp.Filters = []*fastcr.SeccompFilter{{ID: 1, Prog: killing}}
		}, "restart_syscall"},
		"a filter": {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) {
			p.Threads[0].Seccomp.Filters = []*fastcr.SeccompFilter{{ID: 1, Prog: killing}}
		}, ""},
		"a tracer": {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) { p.Threads[0].Traced = true }, ""},
		"KVM":      {func(t *fastcr.Tree, _ *fastcr.Process, _ *Options) { give(t, &fastcr.File{Kind: fastcr.KindKVM}) }, "KVM"},
		"DRM":      {func(t *fastcr.Tree, _ *fastcr.Process, _ *Options) { give(t, &fastcr.File{Kind: fastcr.KindDRM}) }, "DRM"},
		"perf":     {func(t *fastcr.Tree, _ *fastcr.Process, _ *Options) { give(t, &fastcr.File{Kind: fastcr.KindPerf}) }, "perf"},
		"a lock": {func(t *fastcr.Tree, _ *fastcr.Process, _ *Options) {
			give(t, &fastcr.File{Kind: fastcr.KindRegular, Locks: []fastcr.FileLock{{}}})
		}, "--file-locks"},
		"a lock with -l": {func(t *fastcr.Tree, _ *fastcr.Process, o *Options) {
			give(t, &fastcr.File{Kind: fastcr.KindRegular, Locks: []fastcr.FileLock{{}}})
			o.FileLocks = true
		}, ""},
		"an alarm clock": {func(t *fastcr.Tree, _ *fastcr.Process, _ *Options) {
			give(t, &fastcr.File{Kind: fastcr.KindTimerfd, Detail: &fastcr.Timerfd{ClockID: unix.CLOCK_BOOTTIME_ALARM}})
		}, "wakes the machine"},
		"a packet socket": {func(t *fastcr.Tree, p *fastcr.Process, _ *Options) {
			give(t, &fastcr.File{Kind: fastcr.KindPacketSocket, Detail: &fastcr.PacketSocket{Read: true, NetNS: p.Namespaces.Net}})
		}, ""},
		"another network's packet socket": {func(t *fastcr.Tree, _ *fastcr.Process, _ *Options) {
			give(t, &fastcr.File{Kind: fastcr.KindPacketSocket, Detail: &fastcr.PacketSocket{Read: true, NetNS: 1, Ifindex: 2}})
		}, "interface 2): was made in another network namespace"},
		"a device's memory": {func(_ *fastcr.Tree, p *fastcr.Process, _ *Options) {
			p.VMAs = []fastcr.VMA{{Start: 0x1000, End: 0x2000, Kind: fastcr.VMAUnsupported}}
		}, "1000-2000"},
	} {
		t.Run(name, func(t *testing.T) {
			tree, own := plainTree(t)
			o := &Options{}
			c.change(tree, tree.Processes[0], o)
			err := refuse(tree, o, own, false)
			if c.words == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			var r *fastcr.RefusedError
			if !errors.As(err, &r) || r.PID != 4711 || !strings.Contains(err.Error(), "4711") || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v, want %q", err, c.words)
			}
		})
	}
}

// killing is a filter that kills whatever it is asked: BPF_RET | BPF_K, 0.
var killing = []byte{6, 0, 0, 0, 0, 0, 0, 0}

func TestEveryFindingIsTold(t *testing.T) {
	tree, own := plainTree(t)
	tree.Processes[0].MM.AIO = []fastcr.AIOContext{{Waiting: 1}}
	give(tree, &fastcr.File{Kind: fastcr.KindKVM})
	give(tree, &fastcr.File{Kind: fastcr.KindBPF})
	err := refuse(tree, &Options{}, own, false)
	for _, w := range []string{"IOCB_CMD_POLL", "fd 0", "KVM", "fd 1", "BPF"} {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("no %q in %v", w, err)
		}
	}
}

func TestFamily(t *testing.T) {
	all := family(os.Getppid())
	if len(all) < 2 || all[0] != os.Getppid() {
		t.Errorf("family of %d: %v", os.Getppid(), all)
	}
	if f := family(0); f != nil {
		t.Errorf("family of nobody: %v", f)
	}
	if !sharesWith(os.Getpid(), os.Getpid(), 1) || sharesWith(os.Getpid(), os.Getppid(), 1) {
		t.Skip("kcmp does not answer here")
	}
}
