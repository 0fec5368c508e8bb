package dump

import (
	"strings"
	"testing"

	"github.com/fastcr/fastcr"
)

func TestProcFiles(t *testing.T) {
	tree := &fastcr.Tree{Processes: []*fastcr.Process{{PID: 10, Threads: []*fastcr.Thread{{TID: 10}, {TID: 11}}}}}
	there := map[string]bool{ // besides the tree
		"/proc/10/status": true, "/proc/10/task/11/stat": true, "/proc/11/stat": true,
		"/proc/20": true, "/proc/20/status": true, "/proc/20/task/21/stat": true, "/proc/meminfo": true,
	}
	gone := func(path string) fastcr.PathRef { return fastcr.PathRef{Path: path, Gone: true} }
	lives := func(path string) fastcr.PathRef { return fastcr.PathRef{Path: path} }
	for _, c := range []struct {
		path   fastcr.PathRef
		known  bool
		helper int
		want   string // "": kept
	}{
		{path: lives("/proc/meminfo")},
		{path: lives("/proc/10/status")},
		{path: lives("/proc/20/status")},
		{path: lives("/proc/20/task/21/stat")},
		{path: lives("/proc/10/fdinfo/7"), want: "no longer has"},
		{path: lives("/proc/10/fdinfo/7"), known: true}, // closed since
		{path: lives("/proc/10/task/11/stat"), want: "thread"},
		{path: lives("/proc/11/stat"), want: "thread"},
		{path: gone("/proc/10/task/12/stat"), want: "thread"},
		{path: gone("/proc/20/task/22/stat"), want: "thread"},
		{path: gone("/proc/10/status"), want: "process 10's of the tree"},
		{path: gone("/proc/11/status"), want: "process 10's of the tree"},
		{path: gone("/proc/20/status"), want: "another process's"},
		{path: gone("/proc/30/status"), helper: 30},
		{path: gone("/proc/30/status"), known: true, helper: 30},
		{path: gone("/proc/30/task/30/status"), helper: 30},
		{path: fastcr.PathRef{Path: "/proc/30", Gone: true, Deleted: true}, helper: 30},
		{path: lives("/proc/30/net/dev"), helper: 30}, // which says nothing of the process
		{path: lives("/proc/20/net/dev"), want: "no longer has"},
		{path: gone("/proc/30/fd/3"), want: "had open"},
		{path: gone("/mnt/proc/30/status"), want: "elsewhere"},
	} {
		f := newProcFiles(tree)
		f.exists = func(path string) bool { return there[path] }
		at := c.path
		reason := f.check(&at, c.known)
		if c.want == "" && reason != "" || !strings.Contains(reason, c.want) || at.Helper != c.helper {
			t.Errorf("%s, gone %v: %q, helper %d; want %q, %d", at.Path, at.Gone, reason, at.Helper, c.want, c.helper)
		}
	}
}
