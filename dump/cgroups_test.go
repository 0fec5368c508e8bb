package dump

import (
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
)

const cgroupMounts = `31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
38 30 0:35 /part /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
39 30 0:36 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
40 30 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`

func TestFindCgroup(t *testing.T) {
	mounts, err := mountinfo.GetMountsFromReader(strings.NewReader(cgroupMounts), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ controllers, path, want string }{
		{"", "/a/b", "/sys/fs/cgroup/unified/a/b"},
		{"cpu,cpuacct", "/a", "/sys/fs/cgroup/cpu,cpuacct/a"},
		{"name=systemd", "/", "/sys/fs/cgroup/systemd"},
		{"pids", "/part/x", "/sys/fs/cgroup/pids/x"},
		{"pids", "/part", "/sys/fs/cgroup/pids"},
		{"pids", "/party", ""},
		{"memory", "/a", ""},
	} {
		if got, ok := findCgroup(mounts, tt.controllers, tt.path); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s of %q: %q, want %q", tt.path, tt.controllers, got, tt.want)
		}
	}
}

func TestCgroupValue(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"pids.max", "max", "max"},
		{"memory.limit_in_bytes", "9223372036854775807", "-1"},
		{"memory.limit_in_bytes", "4096", "4096"},
		{"memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 0", "1"},
		{"devices.list", "c 1:3 rwm\nc 1:5 r", "c 1:3 rwm\nc 1:5 r"},
	} {
		if got := cgroupValue(tt.name, tt.text); got != tt.want {
			t.Errorf("%s %q: %q, want %q", tt.name, tt.text, got, tt.want)
		}
	}
}

func TestExternalSyntax(t *testing.T) {
	for _, good := range []string{"file[1f:a0]", "tty[8803:18]", "dev[8/1]:disk", "file[1:2]:name"} {
		if err := checkExternal([]string{good}); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "file", "file[1]", "file[1:2", "file[1:X]", "mnt[/x]:y", "dev[8]", "unix[x]"} {
		if err := checkExternal([]string{bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
