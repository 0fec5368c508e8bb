package memory

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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
	workers []*worker // the first is Copy's own, the others wait in threads of their own
	start   bell      // wakes as many workers as it rings
	done    bell      // rings for each worker that has nothing left to do
	stopped atomic.Bool
	cancel  atomic.Bool
	err     atomic.Pointer[error]
}

// worker is one copying thread's memory.
type worker struct {
	remote []unix.RemoteIovec
	local  [1]unix.Iovec
	bounce *Buffer // takes what goes to the spill
	buf    [8]byte // for bells
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
	var errs [2]error
	c.start, errs[0] = newBell(true)
	c.done, errs[1] = newBell(false)
	err := errors.Join(errs[:]...)
	for i := 0; i < max(n, 1) && err == nil; i++ {
		w := &worker{remote: make([]unix.RemoteIovec, 0, chunkRuns)}
		if spill != nil {
			w.bounce, err = NewBuffer(chunkMax, chunkMax, 1)
		}
		c.workers = append(c.workers, w)
	}
	if err != nil {
		c.free()
		return nil, err
	}
	for _, w := range c.workers[1:] {
		go c.run(w)
	}
	return c, nil
}

// Stop ends the threads and frees what NewCopier and Copy made. What was copied is no
// longer there.
func (c *Copier) Stop() {
	if len(c.workers) == 0 {
		return
	}
	c.stopped.Store(true)
	if err := c.wake(len(c.workers) - 1); err != nil {
		return // threads may still use it all
	}
	c.free()
}

func (c *Copier) free() {
	for _, w := range c.workers {
		if w.bounce != nil {
			w.bounce.Free()
		}
	}
	for _, b := range c.mem[1:] {
		b.Free()
	}
	c.start.close()
	c.done.close()
	c.workers, c.mem = nil, c.mem[:1]
}

// run is a worker's thread.
func (c *Copier) run(w *worker) {
	runtime.LockOSThread() // the thread exists and waits: none is made in the freeze
	for {
		if _, err := c.start.wait(&w.buf); err != nil {
			return // cannot be: the bell is closed after all threads have ended
		}
		stopped := c.stopped.Load()
		if !stopped {
			c.work(w)
		}
		if err := c.done.ring(1, &w.buf); err != nil || stopped {
			return
		}
	}
}

// wake has n workers work, works too, and waits until they have nothing left to do.
func (c *Copier) wake(n int) error {
	first := c.workers[0]
	if n > 0 {
		if err := c.start.ring(n, &first.buf); err != nil {
			return fmt.Errorf("wake copying threads: %w", err)
		}
	}
	if !c.stopped.Load() {
		c.work(first)
	}
	for n > 0 {
		done, err := c.done.wait(&first.buf)
		if err != nil {
			return fmt.Errorf("wait for copying threads: %w", err)
		}
		n -= done
	}
	return nil
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
	if err := c.wake(max(min(len(c.workers), len(c.chunks))-1, 0)); err != nil {
		return err
	}
	if err := c.err.Load(); err != nil {
		return *err
	}
	if c.cancel.Load() {
		return context.Canceled
	}
	return nil
}

// Cancel makes a Copy that runs, and all later ones, end soon with context.Canceled.
func (c *Copier) Cancel() { c.cancel.Store(true) }

// Rehearse copies bytes of the buffer's own memory onto themselves, at most one chunk
// a worker, so that threads and code are warm when Copy runs: what is used for the first
// time costs a page fault.
func (c *Copier) Rehearse(bytes uint64) error {
	bytes = min(roundUp(bytes, PageSize), uint64(len(c.workers))*chunkMin, c.cuts[0])
	start := addressOf(c.mem[0].mem)
	own := &Source{PID: unix.Getpid(), Runs: []Run{{Start: start, Pages: bytes / PageSize}}, fd: -1}
	return c.Copy([]*Source{own})
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
		if i >= len(c.chunks) || c.err.Load() != nil || c.cancel.Load() {
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
