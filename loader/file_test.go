package loader

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// opened is one descriptor of a child: what was read of it, and a duplicate of
// it to be asked the same.
type opened struct {
	t      *testing.T
	name   string
	pid    int
	fd     *fastcr.FD
	file   *fastcr.File
	dup    int
	fdinfo []string // lines
}

// readChildFiles reads a child's descriptors while it is stopped.
func readChildFiles(t *testing.T, mode string) (child, *fastcr.Process) {
	t.Helper()
	l := loaded(t)
	t.Setenv("FASTCR_CHILD_DIR", t.TempDir())
	c := startChild(t, mode)
	stop(t, c.pid)
	return c, read(t, l, c.pid)
}

func (c child) opened(t *testing.T, p *fastcr.Process, num int) *opened {
	t.Helper()
	i := slices.IndexFunc(p.Files, func(fd fastcr.FD) bool { return fd.Num == num })
	if i < 0 {
		t.Fatalf("fd %d was not read", num)
	}
	o := &opened{t: t, pid: c.pid, fd: &p.Files[i], file: p.Files[i].File, name: fmt.Sprintf("fd %d (%s)", num, p.Files[i].File.Path.Path)}
	pidfd, err := unix.PidfdOpen(c.pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	if o.dup, err = unix.PidfdGetfd(pidfd, num, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(o.dup) })
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", c.pid, num))
	if err != nil {
		t.Fatal(err)
	}
	o.fdinfo = strings.Split(string(info), "\n")
	return o
}

func (o *opened) equal(what string, got, want any) {
	o.t.Helper()
	if got != want {
		o.t.Errorf("%s: %s: read %v, is %v", o.name, what, got, want)
	}
}

// field is the value of a field of fdinfo, "" when there is none.
func (o *opened) field(name string) string {
	for _, line := range o.fdinfo {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (o *opened) number(name string, base int) uint64 {
	n, err := strconv.ParseUint(o.field(name), base, 64)
	if err != nil {
		o.t.Errorf("%s: fdinfo %s: %v", o.name, name, err)
	}
	return n
}

// ask is an fcntl or an ioctl without an argument.
func (o *opened) fcntl(cmd int) int {
	n, err := unix.FcntlInt(uintptr(o.dup), cmd, 0)
	if err != nil {
		o.t.Errorf("%s: fcntl %d: %v", o.name, cmd, err)
	}
	return n
}

func (o *opened) ioctl(req uint) int {
	n, err := unix.IoctlGetInt(o.dup, req)
	if err != nil {
		o.t.Errorf("%s: ioctl %#x: %v", o.name, req, err)
	}
	return n
}

func as[T any](o *opened) *T {
	o.t.Helper()
	d, ok := o.file.Detail.(*T)
	if !ok {
		o.t.Fatalf("%s: its detail is %T", o.name, o.file.Detail)
	}
	return d
}

// TestFiles compares what is common to all files with procfs, fcntl and fstat,
// and then each kind with what its own calls say.
func TestFiles(t *testing.T) {
	c, p := readChildFiles(t, "files")
	dir, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.pid))
	if err != nil {
		t.Fatal(err)
	}
	if len(dir) != len(p.Files) {
		t.Errorf("%d descriptors were read of %d", len(p.Files), len(dir))
	}
	byNum := map[int]*opened{}
	for _, e := range dir {
		num, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		byNum[num] = c.opened(t, p, num)
		byNum[num].common()
	}
	for _, fc := range fileCases {
		t.Run(strings.ReplaceAll(fc.name, " ", "-"), func(t *testing.T) {
			o := byNum[caseFD(fc.name)]
			if o == nil {
				t.Skip("this kernel has no such file") // opened by raw
			}
			o.t = t
			o.equal("kind", o.file.Kind, fc.kind)
			if check := fileChecks[fc.name]; check != nil {
				check(o, byNum)
			}
			byKind(o)
		})
	}
}

func (o *opened) common() {
	f := o.file
	flags := o.number("flags", 8)
	o.equal("close-on-exec", o.fd.CloExec, flags&unix.O_CLOEXEC != 0)
	o.equal("flags", uint64(f.Flags), flags&^unix.O_CLOEXEC)
	if f.Flags&unix.O_PATH == 0 {
		o.equal("F_GETFL", f.Flags, uint32(o.fcntl(unix.F_GETFL)))
	}
	o.equal("pos", f.Pos, o.number("pos", 10))
	o.equal("mnt_id", uint64(f.Path.MntID), o.number("mnt_id", 10))
	o.equal("inode", f.Path.Ino, o.number("ino", 10))
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", o.pid, o.fd.Num))
	if err != nil {
		o.t.Fatal(err)
	}
	path := f.Path.Path
	if f.Path.Deleted {
		path += " (deleted)"
	}
	o.equal("path", path, link)
	var st unix.Stat_t
	if err := unix.Fstat(o.dup, &st); err != nil {
		o.t.Fatal(err)
	}
	want := fastcr.PathRef{
		Path: f.Path.Path, Deleted: f.Path.Deleted, SDev: f.Path.SDev, FSMagic: f.Path.FSMagic, MntID: f.Path.MntID,
		Dev: st.Dev, Ino: st.Ino, Nlink: uint32(st.Nlink), Mode: st.Mode, RDev: st.Rdev, Size: uint64(st.Size),
		UID: st.Uid, GID: st.Gid, Atime: st.Atim.Nano(), Mtime: st.Mtim.Nano(),
	}
	if f.Path.FSMagic == pidfsMagic {
		want.Mode = f.Path.Mode // it shows no type
	}
	o.equal("inode", fmt.Sprintf("%+v", f.Path), fmt.Sprintf("%+v", want))
	var fs unix.Statfs_t
	if err := unix.Fstatfs(o.dup, &fs); err == nil {
		o.equal("file system", f.Path.FSMagic, uint64(fs.Type))
	}
}

// fileChecks check what only some cases have.
var fileChecks = map[string]func(o *opened, all map[int]*opened){
	"append": func(o *opened, all map[int]*opened) {
		o.equal("shared with its dup", all[o.fd.Num+1].file, o.file)
		o.equal("close-on-exec", o.fd.CloExec, false)
		o.equal("close-on-exec of the dup", all[o.fd.Num+1].fd.CloExec, true)
		o.equal("O_APPEND", o.file.Flags&unix.O_APPEND, uint32(unix.O_APPEND))
	},
	"deleted":       func(o *opened, _ map[int]*opened) { o.equal("deleted", o.file.Path.Deleted, true) },
	"renamed over":  func(o *opened, _ map[int]*opened) { o.equal("deleted", o.file.Path.Deleted, true) },
	"named deleted": func(o *opened, _ map[int]*opened) { o.equal("deleted", o.file.Path.Deleted, false) },
	"owned": func(o *opened, all map[int]*opened) {
		o.equal("signal", o.file.Owner.Signum, uint32(o.fcntl(fGetSig)))
		for _, o := range []*opened{o, all[o.fd.Num+1]} {
			owner, uids, err := getOwner(o.dup)
			if err != nil || owner.pid == 0 {
				o.t.Fatalf("owner %v: %v", owner, err)
			}
			o.equal("owner", o.file.Owner, fastcr.FileOwner{
				PIDType: uint32(owner.typ), PID: int(owner.pid), UID: uids[0], EUID: uids[1], Signum: o.file.Owner.Signum,
			})
		}
	},
	"epoll": func(o *opened, all map[int]*opened) {
		byKind(all[o.fd.Num+1])
		for _, w := range as[fastcr.Epoll](o).Watches {
			o.equal("watched file", w.File, all[w.FD].file.ID)
		}
	},
	"pty":           func(o *opened, all map[int]*opened) { checkPty(o, all[o.fd.Num+1]) },
	"pipe":          func(o *opened, all map[int]*opened) { byKind(all[o.fd.Num+1]) },
	"locked pty":    func(o *opened, _ map[int]*opened) { o.equal("other closed", as[fastcr.TTY](o).OtherClosed, true) },
	"unix pair":     func(o *opened, all map[int]*opened) { checkPair(o, all[o.fd.Num+1]) },
	"unix listener": checkListener,
	"packet":        checkPackets,
	"flock":         checkLocks, "posix": checkLocks, "ofd": checkLocks, "lease": checkLocks, "many locks": checkLocks,
}

// byKind compares a file's detail with what fdinfo, fcntl, ioctl and getsockopt say.
func byKind(o *opened) {
	switch o.file.Detail.(type) {
	case *fastcr.Pipe:
		checkPipe(o)
	case *fastcr.TTY:
		checkTTY(o)
	case *fastcr.Eventfd:
		d := as[fastcr.Eventfd](o)
		o.equal("count", d.Counter, o.number("eventfd-count", 16))
		o.equal("semaphore", d.Semaphore, o.number("eventfd-semaphore", 10) != 0)
	case *fastcr.Signalfd:
		o.equal("mask", as[fastcr.Signalfd](o).Mask, o.number("sigmask", 16))
	case *fastcr.Timerfd:
		checkTimerfd(o)
	case *fastcr.Epoll:
		checkEpoll(o)
	case *fastcr.Inotify:
		checkInotify(o)
	case *fastcr.Memfd:
		d := as[fastcr.Memfd](o)
		o.equal("name", "/memfd:"+d.Name, o.file.Path.Path)
		o.equal("seals", d.Seals, uint32(o.fcntl(unix.F_GET_SEALS)))
		var fs unix.Statfs_t
		if err := unix.Fstatfs(o.dup, &fs); err != nil {
			o.t.Fatal(err)
		}
		o.equal("huge page", d.HugePage != 0, d.Name == "huge")
		if d.HugePage != 0 {
			o.equal("huge page", d.HugePage, uint64(fs.Bsize))
		}
	case *fastcr.UnixSocket:
		checkUnix(o)
	case *fastcr.InetSocket:
		d := as[fastcr.InetSocket](o)
		o.equal("family", d.Family, o.option(unix.SO_DOMAIN))
		o.equal("type", d.Type, o.option(unix.SO_TYPE))
		o.equal("protocol", d.Protocol, o.option(unix.SO_PROTOCOL))
		o.equal("state", d.State, uint32(fastcr.StateListen))
		o.equal("backlog", d.Backlog, uint32(5))
		name, err := unix.Getsockname(o.dup)
		if err != nil {
			o.t.Fatal(err)
		}
		o.equal("port", int(d.Src.Port()), name.(*unix.SockaddrInet4).Port)
		o.equal("address", d.Src.Addr().String(), "127.0.0.1")
	case *fastcr.Socket:
		d := as[fastcr.Socket](o)
		o.equal("family", d.Family, o.option(unix.SO_DOMAIN))
		o.equal("type", d.Type, o.option(unix.SO_TYPE))
		o.equal("protocol", d.Protocol, o.option(unix.SO_PROTOCOL))
	}
}

func checkPipe(o *opened) {
	d := as[fastcr.Pipe](o)
	o.equal("id", d.ID, o.file.Path.Ino)
	o.equal("size", d.RingSize, uint32(o.fcntl(unix.F_GETPIPE_SZ)))
	o.equal("bytes", d.Bytes, uint32(o.ioctl(unix.TIOCINQ)))
	o.equal("packets", d.Packets, o.file.Flags&unix.O_DIRECT != 0 || o.fd.Num == caseFD("packets"))
	readers, writers := uint32(1), uint32(1)
	o.equal("readers", d.Readers, readers)
	o.equal("writers", d.Writers, writers)
	o.equal("watch queue", d.WatchQueue, false)
}

func checkTimerfd(o *opened) {
	d := as[fastcr.Timerfd](o)
	o.equal("clock", uint64(d.ClockID), o.number("clockid", 10))
	o.equal("flags", uint64(d.Flags), o.number("settime flags", 8))
	ticks := o.number("ticks", 10)
	var now unix.ItimerSpec
	if err := unix.TimerfdGettime(o.dup, &now); err != nil {
		o.t.Fatal(err)
	}
	o.equal("interval", d.Interval, uint64(now.Interval.Nano()))
	// Time went by since it was read: no more is left than then, and no fewer ticks.
	left := uint64(now.Value.Nano())
	switch {
	case d.Interval == 0:
		o.equal("ticks", d.Ticks, ticks)
		if d.Value < left || left == 0 && d.Value != 0 || d.Value-left > 60e9 {
			o.t.Errorf("%s: %d ns were left, are %d", o.name, d.Value, left)
		}
	case ticks == 0:
		if d.Ticks != 0 || d.Value < left {
			o.t.Errorf("%s: %d ticks and %d ns left, now %d", o.name, d.Ticks, d.Value, left)
		}
	default:
		// the gettime above has counted the ticks that a read would
		b := make([]byte, 8)
		if _, err := unix.Read(o.dup, b); err != nil {
			o.t.Fatal(err)
		}
		total := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16
		elapsed := (total-d.Ticks)*d.Interval + d.Value - left
		if d.Ticks < 1 || d.Ticks > total || d.Value > d.Interval || elapsed > 60e9 {
			o.t.Errorf("%s: %d ticks and %d ns left, now %d and %d", o.name, d.Ticks, d.Value, total, left)
		}
	}
}

func checkEpoll(o *opened) {
	d := as[fastcr.Epoll](o)
	var got, want []string
	for _, w := range d.Watches {
		got = append(got, fmt.Sprintf("tfd: %8d events: %8x data: %16x  pos:%d ino:%x sdev:%x", w.FD, w.Events, w.Data, w.Pos, w.Ino, w.Dev))
	}
	for _, line := range o.fdinfo {
		if strings.HasPrefix(line, "tfd:") {
			want = append(want, strings.TrimSpace(line))
		}
	}
	o.equal("watches", strings.Join(got, "\n"), strings.Join(want, "\n"))
	if len(want) == 0 {
		o.t.Errorf("%s: nothing is watched", o.name)
	}
}

func checkInotify(o *opened) {
	d := as[fastcr.Inotify](o)
	var got, want []string
	for _, w := range d.Watches {
		got = append(got, fmt.Sprintf("inotify wd:%x ino:%x sdev:%x mask:%x", w.WD, w.Ino, w.SDev, w.Mask))
	}
	for _, line := range o.fdinfo {
		if strings.HasPrefix(line, "inotify wd:") {
			line, _, _ = strings.Cut(line, " ignored_mask:")
			want = append(want, line)
		}
	}
	o.equal("watches", strings.Join(got, "\n"), strings.Join(want, "\n"))
	if len(want) == 0 {
		o.t.Errorf("%s: nothing is watched", o.name)
	}
	names := childInodes(o.t)
	for _, w := range d.Watches {
		// The file system may be mounted somewhere, and may be mounted in part.
		name := names[w.Ino]
		if w.FSPath == "" || !strings.HasSuffix(name, w.FSPath) && !strings.HasSuffix(w.FSPath, name) {
			o.t.Errorf("%s: watch %d is called %q, is %q", o.name, w.WD, w.FSPath, name)
		}
	}
}

// childInodes are the paths of the files in the child's directory, and its own.
func childInodes(t *testing.T) map[uint64]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(childDir(), "*"))
	if err != nil {
		t.Fatal(err)
	}
	inodes := map[uint64]string{}
	for _, name := range append(names, childDir()) {
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			t.Fatal(err)
		}
		inodes[st.Ino] = name
	}
	return inodes
}

// checkLocks compares with the lock lines of fdinfo, which has the locks that
// the file's own table or the file itself holds.
func checkLocks(o *opened, _ map[int]*opened) {
	var got, want []string
	class := map[fastcr.LockClass]string{
		fastcr.LockFlock: "FLOCK", fastcr.LockPOSIX: "POSIX", fastcr.LockOFD: "OFDLCK", fastcr.LockLease: "LEASE",
	}
	for _, l := range o.file.Locks {
		end := strconv.FormatUint(l.End, 10)
		if l.End == 1<<63-1 {
			end = "EOF"
		}
		typ := []string{"READ", "WRITE"}[l.Type]
		got = append(got, fmt.Sprintf("%s %s %d %s", class[l.Class], typ, l.Start, end))
	}
	for _, line := range o.fdinfo {
		if v, ok := strings.CutPrefix(line, "lock:"); ok {
			f := strings.Fields(v) // number: class kind type pid dev range
			want = append(want, fmt.Sprintf("%s %s %s %s", f[1], f[3], f[6], f[7]))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	o.equal("locks", strings.Join(got, "\n"), strings.Join(want, "\n"))
	if len(want) == 0 {
		o.t.Errorf("%s: no locks", o.name)
	}
	for _, l := range o.file.Locks {
		pid := o.pid
		if l.Class == fastcr.LockOFD {
			pid = 0
		}
		o.equal("pid of the lock", l.PID, pid)
	}
}

func TestLongLists(t *testing.T) {
	c, p := readChildFiles(t, "watches")
	o := c.opened(t, p, childEpollFD)
	seen := map[uint64]bool{}
	for _, w := range as[fastcr.Epoll](o).Watches {
		if seen[w.Data] || w.Data >= childWatchCount {
			t.Fatalf("watch %d came twice, or from nowhere", w.Data)
		}
		seen[w.Data] = true
	}
	o.equal("number of watches", len(seen), childWatchCount)
	checkEpoll(o)
	o = c.opened(t, p, childInotifyFD)
	o.equal("number of inotify watches", len(as[fastcr.Inotify](o).Watches), childInotifyCount)
	checkInotify(o)
}

// TestThreadWithItsOwnTable has a thread whose table is not its process's.
func TestThreadWithItsOwnTable(t *testing.T) {
	l := loaded(t)
	t.Setenv("FASTCR_CHILD_DIR", t.TempDir())
	c := startChild(t, "unshared")
	stop(t, c.pid)
	s, err := l.NewSession([]int{c.pid})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Collect(); err != nil {
		t.Fatal(err)
	}
	tables := map[uint64]map[int]string{}
	err = s.each("file", func(rec []byte) error {
		if recordType(rec) != recFile {
			return nil
		}
		r, text, err := view[fileFileRec](rec)
		if err != nil {
			return err
		}
		if tables[r.Table] == nil {
			tables[r.Table] = map[int]string{}
		}
		tables[r.Table][int(r.Fd)] = string(text[:r.Path.Len])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tables) != 2 {
		t.Fatalf("%d tables, want 2", len(tables))
	}
	var own, shared int
	for _, table := range tables {
		if filepath.Base(table[900]) == "own" {
			own++
		}
		if filepath.Base(table[900]) == "shared" {
			shared++
		}
	}
	if own != 1 || shared != 1 {
		t.Errorf("descriptor 900 is %v", tables)
	}
}
