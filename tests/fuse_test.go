package tests

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fileServer serves a directory with one file by FUSE, whose reads take their time, one after the other.
type fileServer struct {
	t     *testing.T
	dir   string
	fd    int
	delay time.Duration // 0: reads wait for answer
	holds func() bool   // and while this is so
	open  chan struct{}
	once  sync.Once
	reads sync.WaitGroup
	turn  sync.Mutex
}

// Requests of uapi/linux/fuse.h.
const (
	fuseLookup  = 1
	fuseForget  = 2
	fuseGetattr = 3
	fuseOpen    = 14
	fuseRead    = 15
	fuseRelease = 18
	fuseFlush   = 25
	fuseInit    = 26

	fuseRoot = 1
	fuseFile = 2
)

func serveFile(t *testing.T, delay time.Duration, holds func() bool) *fileServer {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("this kernel has no FUSE: %v", err)
	}
	s := &fileServer{t: t, dir: t.TempDir(), fd: fd, delay: delay, holds: holds, open: make(chan struct{})}
	if err := unix.Mount("file", s.dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve()
	}()
	t.Cleanup(func() {
		s.answer()
		killAll() // who has the file open
		if err := unix.Unmount(s.dir, 0); err != nil {
			t.Error(err)
		}
		<-done
		s.reads.Wait()
		_ = unix.Close(fd)
	})
	return s
}

// answer lets reads that wait for it end, and those to come end at once.
func (s *fileServer) answer() { s.once.Do(func() { close(s.open) }) }

func (s *fileServer) serve() {
	buf := make([]byte, 1<<20)
	for {
		n, err := unix.Read(s.fd, buf)
		if err == unix.EINTR || err == unix.ENOENT {
			continue
		}
		if err != nil { // ENODEV: it was unmounted
			return
		}
		in := binary.NativeEndian
		opcode, unique, node := in.Uint32(buf[4:]), in.Uint64(buf[8:]), in.Uint64(buf[16:])
		if opcode == fuseRead {
			size := in.Uint32(buf[40+16:])
			s.reads.Go(func() { s.read(unique, size) })
			continue
		}
		s.handle(opcode, unique, node, buf[:n])
	}
}

func (s *fileServer) read(unique uint64, size uint32) {
	s.turn.Lock()
	for wait := true; wait; {
		select {
		case <-s.open:
			wait = false
		case <-s.after():
			wait = s.holds()
		}
	}
	s.turn.Unlock()
	data := make([]byte, size)
	for i := range data {
		data[i] = 'x'
	}
	s.reply(unique, 0, data)
}

func (s *fileServer) after() <-chan time.Time {
	if s.delay == 0 {
		return nil
	}
	return time.After(s.delay)
}

func (s *fileServer) handle(opcode uint32, unique, node uint64, _ []byte) {
	out := binary.NativeEndian
	switch opcode {
	case fuseInit:
		const asyncRead, asyncDIO = 1, 1 << 15
		b := make([]byte, 64)
		out.PutUint32(b, 7)
		out.PutUint32(b[4:], 31)
		out.PutUint32(b[12:], asyncRead|asyncDIO)
		out.PutUint16(b[16:], 16)
		out.PutUint16(b[18:], 16)
		out.PutUint32(b[20:], 1<<16) // max_write
		s.reply(unique, 0, b)
	case fuseLookup:
		b := make([]byte, 40+88)
		out.PutUint64(b, fuseFile)
		out.PutUint64(b[16:], 3600) // seconds for which it may be remembered
		out.PutUint64(b[24:], 3600)
		attributes(b[40:], fuseFile)
		s.reply(unique, 0, b)
	case fuseGetattr:
		b := make([]byte, 16+88)
		out.PutUint64(b, 3600)
		attributes(b[16:], node)
		s.reply(unique, 0, b)
	case fuseOpen:
		s.reply(unique, 0, make([]byte, 16))
	case fuseFlush, fuseRelease:
		s.reply(unique, 0, nil)
	case fuseForget:
	default:
		s.reply(unique, unix.ENOSYS, nil)
	}
}

// attributes are struct fuse_attr.
func attributes(b []byte, node uint64) {
	out := binary.NativeEndian
	out.PutUint64(b, node)
	out.PutUint64(b[8:], 1<<20) // size
	mode := uint32(unix.S_IFREG | 0o644)
	if node == fuseRoot {
		mode = unix.S_IFDIR | 0o755
	}
	out.PutUint32(b[60:], mode)
	out.PutUint32(b[64:], 1) // nlink
	out.PutUint32(b[80:], 4096)
}

func (s *fileServer) reply(unique uint64, errno unix.Errno, data []byte) {
	b := make([]byte, 16, 16+len(data))
	binary.NativeEndian.PutUint32(b, uint32(16+len(data)))
	binary.NativeEndian.PutUint32(b[4:], uint32(-int32(errno)))
	binary.NativeEndian.PutUint64(b[8:], unique)
	if _, err := unix.Write(s.fd, append(b, data...)); err != nil && err != unix.ENOENT { // ENOENT: nobody waits for it
		s.t.Logf("FUSE reply: %v", err)
	}
}
