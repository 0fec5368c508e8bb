package freeze

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
)

const hybrid = `30 22 0:27 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
36 30 0:33 / /sys/fs/cgroup/freezer rw,relatime shared:9 master:3 - cgroup cgroup rw,freezer
40 30 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
`

func parseMounts(t *testing.T, info string) mounts {
	t.Helper()
	infos, err := mountinfo.GetMountsFromReader(strings.NewReader(info), mountinfo.FSTypeFilter("cgroup2"))
	if err != nil {
		t.Fatal(err)
	}
	return sortMounts(infos)
}

func TestSortMounts(t *testing.T) {
	for name, c := range map[string]struct {
		info string
		want mounts
	}{
		"hybrid":       {hybrid, mounts{{dir: "/sys/fs/cgroup/unified", root: "/"}}},
		"none":         {"1 2 0:3 / /proc rw - proc none rw\n", nil},
		"not cgroup2":  {"1 2 0:3 / /cgroup2 rw - ext4 cgroup2 rw\n", nil},
		"widest first": {"1 2 0:28 /a/b /mnt\\040x rw - cgroup2 none rw\n1 2 0:28 /a /y rw shared:1 - cgroup2 none rw\n", mounts{{dir: "/y", root: "/a"}, {dir: "/mnt x", root: "/a/b"}}},
		"writable first": {"1 2 0:28 / /ro ro - cgroup2 none rw\n1 2 0:28 /a /rw rw - cgroup2 none rw\n1 2 0:28 / /sbro rw - cgroup2 none ro\n",
			mounts{{dir: "/rw", root: "/a"}, {dir: "/ro", root: "/", readOnly: true}, {dir: "/sbro", root: "/", readOnly: true}}},
		"above the namespace": {"1 2 0:28 / /in rw - cgroup2 none rw\n1 2 0:28 /../.. /above rw - cgroup2 none rw\n",
			mounts{{dir: "/above", root: "/../.."}, {dir: "/in", root: "/"}}},
	} {
		if got := parseMounts(t, c.info); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestMountPath(t *testing.T) {
	for _, c := range []struct {
		root, cgroup, want string // no want: cannot be seen
	}{
		{"/", "/", "/m"},
		{"/", "/a/b", "/m/a/b"},
		{"/", "/..a", "/m/..a"},
		{"/", "/..", ""},
		{"/", "/../b", ""},
		{"/a", "/a", "/m"},
		{"/a", "/a/b", "/m/b"},
		{"/a", "/ab", ""},
		{"/a", "/", ""},
		{"/../..", "/../../b", "/m/b"},
		{"/../..", "/b", ""}, // what the namespace's own root is called is not known
		{"/..", "/../../b", ""},
	} {
		got, err := mounts{{dir: "/m", root: c.root}}.path(c.cgroup)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("mount of %s shows %s at %q (%v), want %q", c.root, c.cgroup, got, err, c.want)
		}
	}
	ms := mounts{{dir: "/a", root: "/a"}, {dir: "/ro", root: "/", readOnly: true}}
	if p, err := ms.path("/b"); err == nil {
		t.Errorf("read-only mount %s was used", p)
	}
}

func FuzzMountPath(f *testing.F) {
	f.Add("/", "/sys/fs/cgroup", "/a")
	f.Add("/../..", "/a\\b", "/../../x")
	f.Fuzz(func(t *testing.T, root, point, cgroup string) {
		ms := sortMounts([]*mountinfo.Info{{Root: root, Mountpoint: point}})
		dir, err := ms.path(cgroup)
		if err != nil {
			return
		}
		inside := func(m mount) bool { return dir == m.dir || within(dir, m.dir) }
		if !slices.ContainsFunc(ms, inside) {
			t.Errorf("cgroup %q is at %q, outside of %v", cgroup, dir, ms)
		}
	})
}

func TestParseCgroup(t *testing.T) {
	for text, want := range map[string]string{
		"8:pids:/x\n1:cpu:/y\n0::/a b/c:d\n": "/a b/c:d",
		"0::/\n":                             "/",
		"0::/../x\n":                         "/../x",
		"1:name=systemd:/0::/x\n":            "",
		"":                                   "",
	} {
		if got, ok := parseCgroup([]byte(text)); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v, want %q", text, got, ok, want)
		}
	}
}

func FuzzCgroup(f *testing.F) {
	f.Add([]byte("8:pids:/x\n0::/a\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if name, ok := parseCgroup(b); ok && (!strings.HasPrefix(name, "/") || strings.Contains(name, "\n")) {
			t.Errorf("%q", name)
		}
	})
}

const statLine = "77 (a) b (c)) Z 5 77 77 0 -1 4228428 0 0 0 0 0 0 0 0 20 0 3 0 100 0 0 18446744073709551615 0\n"

func TestParseStat(t *testing.T) {
	s, err := parseStat([]byte(statLine))
	want := stat{comm: "a) b (c)", state: 'Z', ppid: 5, flags: 4228428, threads: 3}
	if err != nil || s != want {
		t.Fatalf("%+v, %v; want %+v", s, err, want)
	}
	if s.zombie() || !s.leaderDead() {
		t.Fatal("threads of a dead leader run")
	}
	for _, bad := range []string{"", "1 (x", "1 )x( S", "1 (x) S 1", strings.Replace(statLine, " 5 ", " x ", 1), strings.Replace(statLine, " 3 ", " - ", 1)} {
		if s, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, s)
		}
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte(statLine))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseStat(b); err == nil && !strings.Contains(string(b), "("+s.comm+")") {
			t.Errorf("%+v", s)
		}
	})
}

func TestParsePids(t *testing.T) {
	if got := parsePids([]int{1}, []byte("22 333 \n4\n0\n5")); !slices.Equal(got, []int{1, 22, 333, 4, 0, 5}) {
		t.Fatal(got)
	}
	if got := parsePids(nil, nil); len(got) != 0 {
		t.Fatal(got)
	}
}

func TestTemporaryName(t *testing.T) {
	if g := temporaryGroup("/a", "/m/a", 7); !IsTemporary(g.inside) || g.dir != "/m"+g.inside {
		t.Fatalf("%+v", g)
	}
	for _, name := range []string{"/", "/fastcr", "/fastcr.1", "/fastcr.1.2/x", "/fastcr.1.2.slice", "/fastcr.01.2", "/xfastcr.1.2"} {
		if IsTemporary(name) {
			t.Errorf("%s is taken for one of ours", name)
		}
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		cgroup, other string
		want          bool
	}{{"/a/b", "/a", true}, {"/a", "/a", true}, {"/ab", "/a", false}, {"/a", "/", true}, {"/", "/", true}, {"/", "/a", false}} {
		if within(c.cgroup, c.other) != c.want {
			t.Errorf("%s in %s: want %v", c.cgroup, c.other, c.want)
		}
	}
}

func TestIsStuck(t *testing.T) {
	for _, c := range []struct {
		state byte
		wchan string
		want  bool
	}{
		{'D', "rpc_wait_bit_killable", true},
		{'D', "kernel_clone", false},
		{'S', "get_signal", false},
		{'S', "do_freezer_trap.isra.0", false},
		{'S', "", false},
		{'S', "somewhere_else", true},
		{'R', "", true},
		{'T', "", false}, {'t', "ptrace_stop", false}, {'Z', "", false}, {'X', "", false},
	} {
		if isStuck(c.state, c.wchan) != c.want {
			t.Errorf("%c %q: want %v", c.state, c.wchan, c.want)
		}
	}
}
