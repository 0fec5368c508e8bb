package loader

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// fdRecord is a descriptor of file 1.
func fdRecord(num, what, magic, mode uint32, path string) []byte {
	r := fileFileRec{Table: 7, File: 1, Tgid: 10, Tid: 10, Fd: num, What: what}
	r.Path.Magic, r.Path.Mode, r.Path.Len, r.Path.Ino = uint64(magic), mode, uint32(len(path)), 42
	return record(recFile, r, []byte(path)...)
}

// decodeAll decodes records into the tree's only file.
func decodeAll(t *testing.T, recs ...[]byte) (*fastcr.File, error) {
	t.Helper()
	b := newBuilder()
	for _, rec := range recs {
		if err := decodeFile(rec, b); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := b.tree()
	if err != nil {
		return nil, err
	}
	if len(tree.Files) != 1 {
		t.Fatalf("%d files", len(tree.Files))
	}
	return tree.Files[0], nil
}

func TestFileKind(t *testing.T) {
	tests := []struct {
		what, magic, mode, rdev, fmode uint32
		path                           string
		want                           fastcr.FileKind
	}{
		{0, 0, unix.S_IFREG, 0, 0, "/a", fastcr.KindRegular},
		{0, 0, unix.S_IFBLK, 0, 0, "/dev/sda", fastcr.KindRegular},
		{0, 0, unix.S_IFLNK, 0, fmodePath, "/link", fastcr.KindRegular},
		{0, 0, unix.S_IFSOCK, 0, fmodePath, "/sock", fastcr.KindRegular},
		{0, pipefsMagic, unix.S_IFIFO, 0, fmodePath, "pipe:[1]", fastcr.KindUnknown},
		{filePipe, pipefsMagic, unix.S_IFIFO, 0, 0, "pipe:[1]", fastcr.KindPipe},
		{filePipe, 0, unix.S_IFIFO, 0, 0, "/fifo", fastcr.KindFIFO},
		{fileTTY, 0, unix.S_IFCHR, 5 << 20, 0, "/dev/tty", fastcr.KindTTY},
		{0, 0, unix.S_IFCHR, 1<<20 | 3, 0, "/dev/null", fastcr.KindCharDev},
		{0, 0, unix.S_IFCHR, 10<<20 | 232, 0, "/dev/kvm", fastcr.KindKVM},
		{0, 0, unix.S_IFCHR, 10<<20 | 235, 0, "/dev/autofs", fastcr.KindCharDev},
		{0, 0, unix.S_IFCHR, 10<<20 | 126, 0, "/dev/userfaultfd", fastcr.KindUserfaultfd},
		{0, 0, unix.S_IFCHR, 10<<20 | 200, 0, "/dev/net/tun", fastcr.KindUnknown},
		{0, 0, unix.S_IFCHR, 226<<20 | 128, 0, "/dev/dri/renderD128", fastcr.KindDRM},
		{0, anonInodeMagic, 0o600, 0, 0, "anon_inode:[io_uring]", fastcr.KindIOUring},
		{0, anonInodeMagic, 0o600, 0, 0, "anon_inode:kvm-vcpu:0", fastcr.KindKVM},
		{0, anonInodeMagic, 0o600, 0, 0, "anon_inode:kvm-vm", fastcr.KindKVM},
		{0, anonInodeMagic, 0o600, 0, 0, "anon_inode:bpf_link", fastcr.KindBPF},
		{0, anonInodeMagic, 0o600, 0, 0, "anon_inode:[landlock-ruleset]", fastcr.KindAnonOther},
		{0, nsfsMagic, unix.S_IFREG, 0, 0, "net:[1]", fastcr.KindNamespace},
		{0, pidfsMagic, unix.S_IFREG, 0, 0, "pidfd:[1]", fastcr.KindPidfd},
		{99, 0, unix.S_IFREG, 0, 0, "/a", fastcr.KindRegular},
	}
	for _, tt := range tests {
		r := fileFileRec{What: tt.what, Mode: tt.fmode}
		r.Path.Magic, r.Path.Mode, r.Path.Rdev = uint64(tt.magic), tt.mode, tt.rdev
		if got := fileKind(&r, tt.path); got != tt.want {
			t.Errorf("%s: kind %d, want %d", tt.path, got, tt.want)
		}
	}
}

func TestTimerfdThatIsDue(t *testing.T) {
	tests := []struct {
		name string
		r    fileFileTimer
		want fastcr.Timerfd
	}{
		{"armed", fileFileTimer{Left: 30, Interval: 100, Armed: 1}, fastcr.Timerfd{Interval: 100, Value: 30}},
		{"never set", fileFileTimer{}, fastcr.Timerfd{}},
		{"once, expired and read", fileFileTimer{Left: -30}, fastcr.Timerfd{}},
		{"taken off, with an interval", fileFileTimer{Left: -1 << 60, Interval: 100}, fastcr.Timerfd{Interval: 100}},
		{"once, expired", fileFileTimer{Left: -30, Ticks: 1, Expired: 1}, fastcr.Timerfd{Ticks: 1}},
		{"just expired", fileFileTimer{Left: 0, Interval: 100, Ticks: 1, Expired: 1}, fastcr.Timerfd{Ticks: 1, Interval: 100, Value: 100}},
		{"late by 30", fileFileTimer{Left: -30, Interval: 100, Ticks: 1, Expired: 1}, fastcr.Timerfd{Ticks: 1, Interval: 100, Value: 70}},
		{"late by 5 periods", fileFileTimer{Left: -500, Interval: 100, Ticks: 1, Expired: 1}, fastcr.Timerfd{Ticks: 6, Interval: 100, Value: 100}},
		{"once, its interrupt not come", fileFileTimer{Left: 0, Armed: 1}, fastcr.Timerfd{Ticks: 1}},
		{"due, its interrupt not come", fileFileTimer{Left: -3, Interval: 100, Armed: 1}, fastcr.Timerfd{Ticks: 1, Interval: 100, Value: 97}},
	}
	for _, tt := range tests {
		tt.r.File = 1
		f, err := decodeAll(t, fdRecord(3, fileTimerfd, anonInodeMagic, 0, "anon_inode:[timerfd]"), record(recFileTimer, tt.r))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Detail.(*fastcr.Timerfd); *got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, *got, tt.want)
		}
	}
}

func TestListIsReadOnce(t *testing.T) {
	epoll := func(num uint32) []byte { return fdRecord(num, fileEpoll, anonInodeMagic, 0, "anon_inode:[eventpoll]") }
	watch := func(item uint64) []byte {
		return record(recFileWatch, fileFileWatch{File: 1, Item: item, Fd: uint32(item)})
	}
	more := func(next, changed uint64) []byte {
		return record(recFileMore, fileFileMore{File: 1, Next: next, Type: recFileWatch, Changed: changed})
	}
	tests := []struct {
		name string
		recs [][]byte
		want []int // watched descriptors; nil: an error
	}{
		{"empty", [][]byte{epoll(3)}, []int{}},
		{"one record", [][]byte{epoll(3), watch(1), watch(2)}, []int{1, 2}},
		{"two descriptors", [][]byte{epoll(3), watch(1), watch(2), epoll(4), watch(1), watch(2)}, []int{1, 2}},
		{"in parts", [][]byte{epoll(3), watch(1), more(5, 0), watch(2), more(6, 0), watch(3), more(0, 0)}, []int{1, 2, 3}},
		{"unfinished", [][]byte{epoll(3), watch(1), more(5, 0)}, nil},
		{"changed and never stood still", [][]byte{epoll(3), watch(1), more(5, 0), more(0, listChanged)}, nil},
		{"changed", [][]byte{epoll(3), watch(1), watch(2), more(5, 0), more(0, listChanged), watch(2), watch(4), more(0, 0)}, []int{2, 4}},
		{"closed meanwhile", [][]byte{epoll(3), watch(1), more(5, 0), more(0, listGone)}, []int{1}},
	}
	for _, tt := range tests {
		f, err := decodeAll(t, tt.recs...)
		if err != nil {
			if tt.want != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		got := []int{}
		for _, w := range f.Detail.(*fastcr.Epoll).Watches {
			got = append(got, w.FD)
		}
		if tt.want == nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestLockClasses(t *testing.T) {
	lock := func(r fileFileLockRec) []byte {
		r.File = 1
		return record(recFileLock, r)
	}
	f, err := decodeAll(t, fdRecord(3, 0, 0, unix.S_IFREG, "/a"),
		lock(fileFileLockRec{Item: 1, Class: uint32(fastcr.LockPOSIX), Type: unix.F_WRLCK, Owner: 7, Start: 5, End: 9, Pid: 10}),
		lock(fileFileLockRec{Item: 2, Class: uint32(fastcr.LockOFD), Owner: 1, End: math.MaxInt64, Pid: 10}),
		lock(fileFileLockRec{Item: 3, Class: uint32(fastcr.LockLease), Type: unix.F_WRLCK, Owner: 1, End: math.MaxInt64, Flags: 32 | flDowngradePending}),
		lock(fileFileLockRec{Item: 4, Class: uint32(fastcr.LockLease), Type: unix.F_WRLCK, Owner: 1, End: math.MaxInt64, Flags: 32 | flUnlockPending}),
		lock(fileFileLockRec{Item: 1, Class: uint32(fastcr.LockPOSIX)}))
	if err != nil {
		t.Fatal(err)
	}
	want := []fastcr.FileLock{
		{Class: fastcr.LockPOSIX, Type: unix.F_WRLCK, Target: unix.F_WRLCK, Start: 5, End: 9, PID: 10, FilesID: 7},
		{Class: fastcr.LockOFD, End: math.MaxInt64},
		{Class: fastcr.LockLease, Type: unix.F_WRLCK, End: math.MaxInt64, Breaking: true, Target: unix.F_RDLCK},
		{Class: fastcr.LockLease, Type: unix.F_WRLCK, End: math.MaxInt64, Breaking: true, Target: unix.F_UNLCK},
	}
	if !reflect.DeepEqual(f.Locks, want) {
		t.Errorf("%+v\nwant %+v", f.Locks, want)
	}
}

func TestTimeoutInTicks(t *testing.T) {
	hz := tickRate()
	for _, tt := range []struct{ jiffies, want uint64 }{
		{0, 0}, {math.MaxInt64, 0}, {hz, 1e6}, {3 * hz, 3e6}, {1, 1e6 / hz}, {hz + 1, 1e6 + 1e6/hz},
	} {
		if got := tickMicroseconds(tt.jiffies); got != tt.want {
			t.Errorf("%d jiffies are %d µs, want %d", tt.jiffies, got, tt.want)
		}
	}
}

func TestShortFileRecords(t *testing.T) {
	for typ := range fileDecoders {
		if err := decodeFile(record(typ, [2]uint64{}), newBuilder()); !errors.Is(err, errRecord) {
			t.Errorf("type %d: %v", typ, err)
		}
	}
}

// FuzzFile feeds sequences of records that belong to one file.
func FuzzFile(f *testing.F) {
	join := func(recs ...[]byte) []byte { return slices.Concat(recs...) }
	f.Add(join(fdRecord(3, fileEpoll, anonInodeMagic, 0, "anon_inode:[eventpoll]"), record(recFileWatch, fileFileWatch{File: 1, Item: 9}),
		record(recFileMore, fileFileMore{File: 1, Type: recFileWatch, Changed: listChanged})))
	f.Add(join(fdRecord(3, fileSocket, 0x534f434b, unix.S_IFSOCK, "socket:[1]"),
		record(recFileSocket, fileFileSocket{File: 1, Family: unix.AF_UNIX, Sndtimeo: math.MaxUint64}), record(recFileUnix, fileFileUnix{File: 1, NameLen: 1 << 31, PeerNameLen: 3})))
	f.Add(join(fdRecord(3, fileSocket, 0x534f434b, unix.S_IFSOCK, "socket:[1]"),
		record(recFileSocket, fileFileSocket{File: 1, Family: unix.AF_INET}), record(recFileInet, fileFileInet{File: 1, Sport: 1 << 20})))
	f.Add(join(fdRecord(3, filePlain, 0, unix.S_IFREG, "/a"), record(recFileLock, fileFileLockRec{File: 1, Class: 300, Start: -5})))
	f.Add(join(fdRecord(3, fileTimerfd, 0, 0, ""), record(recFileTimer, fileFileTimer{File: 1, Interval: 1, Left: math.MinInt64, Expired: 1})))
	f.Add(join(fdRecord(3, fileTTY, 0, unix.S_IFCHR, "/dev/tty"), record(recFileTTY, fileFileTty{File: 1, Index: 5})))
	f.Add(join(fdRecord(3, fileInotify, 0, 0, ""), record(recFileMark, fileFileMark{File: 1}), record(recFileCounter, fileFileCounter{File: 1}),
		record(recFilePipe, fileFilePipe{File: 2}), record(recFileMemfd, fileFileMemfd{File: 3})))
	f.Fuzz(func(t *testing.T, buf []byte) {
		b := newBuilder()
		if err := eachRecord(buf, func(rec []byte) error { return decodeFile(rec, b) }); err != nil {
			if !errors.Is(err, errRecord) {
				t.Errorf("error %v is not about a record", err)
			}
			return
		}
		_, _ = b.tree()
	})
}
