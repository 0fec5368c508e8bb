package memory

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	chunkBytes = 4 << 20 // bytes copied by one process_vm_readv
	chunkRuns  = 1024    // IOV_MAX
)

// Source is where pages come from: one process, its runs, and where their bytes
// begin in the whole copy.
type Source struct {
	PID  int
	Runs []Run
	mem  int // fd of /proc/PID/mem
	off  uint64
}

// NewSource opens /proc/PID/mem, which reads the pages that process_vm_readv
// refuses: PROT_NONE and write-only ones.
func NewSource(pid int) (*Source, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/mem", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open memory of %d: %w", pid, err)
	}
	return &Source{PID: pid, mem: fd}, nil
}

// Pages is how many pages the source's runs have.
func (s *Source) Pages() uint64 { return countPages(s.Runs) }

// Close closes /proc/PID/mem.
func (s *Source) Close() { unix.Close(s.mem) }

// chunk is one piece of work: up to chunkBytes from consecutive runs of a source.
type chunk struct {
	src         *Source
	first, last int    // indices of runs, both inclusive
	skip        uint64 // bytes of the first run that earlier chunks have
	bytes       uint64
	off         uint64 // into the whole copy
}

// Copier copies the pages of sources with several threads. They are started
// before the freeze and wait.
type Copier struct {
	buf     *Buffer
	spill   *Spill
	chunks  []chunk
	next    atomic.Int64
	workers []*worker
	start   []chan struct{}
	done    sync.WaitGroup
	err     atomic.Pointer[error]
}

// worker is one copying thread's memory.
type worker struct {
	remote []unix.RemoteIovec
	local  [1]unix.Iovec
	bounce []byte // for pages beyond the buffer
}

// NewCopier starts n copying threads into buf. What does not fit into buf goes to spill,
// which may be nil when everything fits. runs is about how many runs to expect.
func NewCopier(n int, buf *Buffer, spill *Spill, runs int) (*Copier, error) {
	c := &Copier{buf: buf, spill: spill, chunks: make([]chunk, 0, runs/8+int(buf.ready/chunkBytes)+256)}
	for range n {
		w := &worker{remote: make([]unix.RemoteIovec, 0, chunkRuns)}
		if spill != nil {
			b, err := NewBuffer(chunkBytes, chunkBytes, 1)
			if err != nil {
				c.Stop()
				return nil, err
			}
			w.bounce = b.bytes()[:chunkBytes]
		}
		start := make(chan struct{}, 1)
		c.workers, c.start = append(c.workers, w), append(c.start, start)
		go c.run(w, start)
	}
	return c, nil
}

// Stop ends the threads.
func (c *Copier) Stop() {
	for _, s := range c.start {
		close(s)
	}
	c.start = nil
}

func (c *Copier) run(w *worker, start chan struct{}) {
	runtime.LockOSThread()
	for range start {
		c.work(w)
		c.done.Done()
	}
}

// Copy copies all runs of all sources, in order, and returns when every byte is
// there. Nothing is allocated unless there are more chunks than expected.
func (c *Copier) Copy(sources []*Source) error {
	total := c.plan(sources)
	if c.spill == nil && total > uint64(len(c.buf.bytes())) {
		return fmt.Errorf("copy pages: %d bytes do not fit into the %d reserved", total, len(c.buf.bytes()))
	}
	c.next.Store(0)
	c.err.Store(nil)
	// A small copy is faster on the caller's own thread than waking others is.
	helpers := min(len(c.start), len(c.chunks)) - 1
	for i := range max(helpers, 0) {
		c.done.Add(1)
		c.start[i+1] <- struct{}{}
	}
	c.work(c.workers[0])
	c.done.Wait()
	if err := c.err.Load(); err != nil {
		return *err
	}
	return nil
}

// plan cuts the sources' runs into chunks and returns the bytes in all.
func (c *Copier) plan(sources []*Source) (total uint64) {
	c.chunks = c.chunks[:0]
	for _, s := range sources {
		s.off = total
		c.chunks = planChunks(c.chunks, s, total)
		total += s.Pages() * PageSize
	}
	return total
}

// planChunks appends the chunks of one source; its first byte goes to off.
func planChunks(chunks []chunk, s *Source, off uint64) []chunk {
	cur := chunk{src: s, off: off}
	for i := range s.Runs {
		for skip, n := uint64(0), s.Runs[i].Bytes(); skip < n; {
			if cur.bytes == 0 {
				cur.first, cur.skip = i, skip
			}
			take := min(n-skip, chunkBytes-cur.bytes)
			cur.last = i
			cur.bytes += take
			skip += take
			if cur.bytes == chunkBytes || i-cur.first == chunkRuns-1 {
				chunks = append(chunks, cur)
				cur = chunk{src: s, off: cur.off + cur.bytes}
			}
		}
	}
	if cur.bytes > 0 {
		chunks = append(chunks, cur)
	}
	return chunks
}

func (c *Copier) work(w *worker) {
	for {
		i := int(c.next.Add(1)) - 1
		if i >= len(c.chunks) || c.err.Load() != nil {
			return
		}
		if err := c.copyChunk(w, &c.chunks[i]); err != nil {
			failed := err // escapes, and only here
			c.err.CompareAndSwap(nil, &failed)
		}
	}
}

func (c *Copier) copyChunk(w *worker, k *chunk) error {
	mem := c.buf.bytes()
	if k.off+k.bytes <= uint64(len(mem)) && (c.spill == nil || k.off+k.bytes <= c.spill.from) {
		return w.read(k, mem[k.off:k.off+k.bytes])
	}
	dst := w.bounce[:k.bytes]
	if err := w.read(k, dst); err != nil {
		return err
	}
	return c.spill.write(k.off, dst)
}

// read fills dst with the chunk's pages.
func (w *worker) read(k *chunk, dst []byte) error {
	w.remote = w.remote[:0]
	skip, left := k.skip, k.bytes
	for i := k.first; i <= k.last; i++ {
		r := k.src.Runs[i]
		n := min(r.Bytes()-skip, left)
		w.remote = append(w.remote, unix.RemoteIovec{Base: uintptr(r.Start + skip), Len: int(n)})
		left -= n
		skip = 0
	}
	w.local[0].Base = &dst[0]
	w.local[0].SetLen(len(dst))
	n, err := unix.ProcessVMReadv(k.src.PID, w.local[:], w.remote, 0)
	if n == len(dst) {
		return nil
	}
	if err != nil && !errors.Is(err, unix.EFAULT) {
		return fmt.Errorf("read memory of %d at %#x: %w", k.src.PID, w.remote[0].Base, err)
	}
	return w.readMem(k, dst, max(n, 0))
}

// readMem goes on behind the first done bytes through /proc/PID/mem, which
// also reads what the process itself may not read.
func (w *worker) readMem(k *chunk, dst []byte, done int) error {
	for _, iov := range w.remote {
		if done >= iov.Len {
			done -= iov.Len
			dst = dst[iov.Len:]
			continue
		}
		for done < iov.Len {
			n, err := unix.Pread(k.src.mem, dst[done:iov.Len], int64(iov.Base)+int64(done))
			if err != nil || n == 0 {
				if err == nil {
					err = unix.EIO
				}
				return fmt.Errorf("read /proc/%d/mem at %#x: %w", k.src.PID, int(iov.Base)+done, err)
			}
			done += n
		}
		done = 0
		dst = dst[iov.Len:]
	}
	return nil
}
