package memory

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Copier copies the pages of sources with several threads. They are started
// before the freeze and wait. The whole copy is the pages of all sources, one behind the
// other: its beginning is in memory, the rest in the spill.
type Copier struct {
	mem     []*Buffer // the first, and one more when that was too small
	cuts    []uint64  // offsets into the copy where a buffer ends
	spill   *Spill
	chunks  []chunk
	next    atomic.Int64
	workers []*worker
	start   []chan struct{} // one for each worker but the first
	done    sync.WaitGroup
	err     atomic.Pointer[error]
}

// worker is one copying thread's memory.
type worker struct {
	remote []unix.RemoteIovec
	local  [1]unix.Iovec
	bounce *Buffer // takes what goes to the spill
}

// NewCopier starts n copying threads into buf. What does not fit into buf goes to spill;
// without one, memory for it is made when needed. runs is about how many runs to expect.
func NewCopier(n int, buf *Buffer, spill *Spill, runs int) (*Copier, error) {
	end := uint64(len(buf.mem))
	if spill != nil {
		end = min(end, spill.from)
		spill.from = end
	}
	c := &Copier{
		mem: append(make([]*Buffer, 0, 2), buf), cuts: append(make([]uint64, 0, 2), end), spill: spill,
		chunks: make([]chunk, 0, 8*n+runs/chunkRuns+int(end/chunkMax)+1024),
	}
	for i := range max(n, 1) {
		w := &worker{remote: make([]unix.RemoteIovec, 0, chunkRuns)}
		c.workers = append(c.workers, w)
		if spill != nil {
			var err error
			if w.bounce, err = NewBuffer(chunkMax, chunkMax, 1); err != nil {
				c.Stop()
				return nil, err
			}
		}
		if i > 0 { // the first is Copy's own
			start := make(chan struct{}, 1)
			c.start = append(c.start, start)
			go c.run(w, start)
		}
	}
	return c, nil
}

// Stop ends the threads and frees what NewCopier and Copy made. What was copied is no
// longer there.
func (c *Copier) Stop() {
	for _, s := range c.start {
		close(s)
	}
	for _, w := range c.workers {
		if w.bounce != nil {
			w.bounce.Free()
		}
	}
	for _, b := range c.mem[1:] {
		b.Free()
	}
	c.start, c.workers, c.mem = nil, nil, c.mem[:1]
}

func (c *Copier) run(w *worker, start chan struct{}) {
	runtime.LockOSThread() // the thread exists and waits: none is made in the freeze
	for range start {
		c.work(w)
		c.done.Done()
	}
}

// Copy copies all runs of all sources, in order, and returns when every byte is
// there. It allocates only if there are more chunks than expected or, without a spill, more
// pages than were reserved.
func (c *Copier) Copy(sources []*Source) error {
	if err := c.plan(sources); err != nil {
		return err
	}
	c.next.Store(0)
	c.err.Store(nil)
	// A small copy is done on the caller's own thread sooner than another wakes up.
	helpers := min(len(c.start), len(c.chunks)-1)
	for i := range max(helpers, 0) {
		c.done.Add(1)
		c.start[i] <- struct{}{}
	}
	c.work(c.workers[0])
	c.done.Wait()
	if err := c.err.Load(); err != nil {
		return *err
	}
	return nil
}

// plan gives every source its place and cuts the runs into chunks.
func (c *Copier) plan(sources []*Source) error {
	total := uint64(0)
	for _, s := range sources {
		s.off, s.bytes, s.written = total, s.Pages()*PageSize, false
		s.kept = append(s.kept[:0], span{s.off, s.bytes})
		total += s.bytes
	}
	if err := c.grow(total); err != nil {
		return err
	}
	c.chunks = c.chunks[:0]
	size := chunkSize(total, len(c.workers))
	for _, s := range sources {
		c.chunks = planChunks(c.chunks, s, size, c.cuts)
	}
	return nil
}

// grow makes room for total bytes, without a spill: the processes grew past
// every slack between the look and the freeze.
func (c *Copier) grow(total uint64) error {
	end := c.cuts[len(c.cuts)-1]
	if c.spill != nil || total <= end {
		return nil
	}
	b, err := NewBuffer(total-end, 0, 1)
	if err != nil {
		return fmt.Errorf("%d bytes of pages, %d reserved: %w", total, end, err)
	}
	c.mem, c.cuts = append(c.mem, b), append(c.cuts, end+uint64(len(b.mem)))
	return nil
}

// at is the memory of the copy from off on, nil where it is in the spill.
func (c *Copier) at(off uint64) []byte {
	start := uint64(0)
	for i, end := range c.cuts {
		if off < end {
			return c.mem[i].mem[off-start : end-start]
		}
		start = end
	}
	return nil
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
	if mem := c.at(k.off); mem != nil {
		return k.src.read(mem[:k.bytes], w.iovecs(k), &w.local)
	}
	if w.bounce == nil {
		return errors.New("copy pages: no place for them") // grow made one
	}
	dst := w.bounce.mem[:k.bytes]
	if err := k.src.read(dst, w.iovecs(k), &w.local); err != nil {
		return err
	}
	return c.spill.write(k.off, dst)
}

// iovecs names the chunk's pages.
func (w *worker) iovecs(k *chunk) []unix.RemoteIovec {
	w.remote = w.remote[:0]
	skip, left := k.skip, k.bytes
	for i := k.first; i <= k.last; i++ {
		r := k.src.Runs[i]
		n := min(r.Bytes()-skip, left)
		w.remote = append(w.remote, unix.RemoteIovec{Base: uintptr(r.Start + skip), Len: int(n)})
		left -= n
		skip = 0
	}
	return w.remote
}
