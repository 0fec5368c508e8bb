package loader

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/fastcr/fastcr"
)

// errRecord is wrapped by every error about bytes that are not a record of records.h.
var errRecord = errors.New("bad record")

const headSize = 8 // struct rec_head

// recordType is the type field of a record's struct rec_head.
func recordType(rec []byte) uint32 { return binary.NativeEndian.Uint32(rec) }

// recordLen is the length of a record in bytes, the head included.
func recordLen(rec []byte) uint32 { return binary.NativeEndian.Uint32(rec[4:]) }

// eachRecord splits buf into records (struct rec_head and what follows it).
func eachRecord(buf []byte, f func(rec []byte) error) error {
	for off := 0; off < len(buf); {
		rest := buf[off:]
		if len(rest) < headSize {
			return fmt.Errorf("%w: %d bytes left over", errRecord, len(rest))
		}
		n := recordLen(rest)
		if n < headSize || n%8 != 0 || uint64(n) > uint64(len(rest)) {
			return fmt.Errorf("%w: type %d says %d bytes of %d", errRecord, recordType(rest), n, len(rest))
		}
		if err := f(rest[:n:n]); err != nil {
			return err
		}
		off += int(n)
	}
	return nil
}

// builder puts the records of all programs together into a tree. Records of
// different programs may come in any order.
type builder struct {
	procs   map[int]*fastcr.Process
	order   []*fastcr.Process // as first seen
	threads map[int]*fastcr.Thread
	files   map[fastcr.KObj]*fastcr.File
	list    []*fastcr.File // as first seen
	fds     map[fastcr.KObj]map[int]bool
	tables  map[fastcr.KObj][]fastcr.FD
	frozen  map[*fastcr.Thread]*frozen
	filters filters
	lists   fileLists
	late    map[*fastcr.Process]*unsettled
	mapped  map[fastcr.KObj]*mapped
	began   int64 // nanoseconds of CLOCK_MONOTONIC: the tree was frozen since, 0: not known
	running bool  // the tree was not frozen: what does not fit together has changed meanwhile
}

func newBuilder() *builder {
	return &builder{
		procs:   map[int]*fastcr.Process{},
		threads: map[int]*fastcr.Thread{},
		files:   map[fastcr.KObj]*fastcr.File{},
		fds:     map[fastcr.KObj]map[int]bool{},
		tables:  map[fastcr.KObj][]fastcr.FD{},
		frozen:  map[*fastcr.Thread]*frozen{},
		filters: filters{},
		lists:   fileLists{},
		late:    map[*fastcr.Process]*unsettled{},
		mapped:  map[fastcr.KObj]*mapped{},
	}
}

// process is the process with this pid, made when it is new.
func (b *builder) process(pid int) *fastcr.Process {
	p := b.procs[pid]
	if p == nil {
		p = &fastcr.Process{PID: pid}
		b.procs[pid] = p
		b.order = append(b.order, p)
	}
	return p
}

// thread is thread tid of process tgid, made when it is new. The leader is the
// first of the process's threads.
func (b *builder) thread(tgid, tid int) *fastcr.Thread {
	if t := b.threads[tid]; t != nil {
		return t
	}
	t := &fastcr.Thread{TID: tid}
	b.threads[tid] = t
	p := b.process(tgid)
	p.Threads = append(p.Threads, t)
	if last := len(p.Threads) - 1; tid == tgid {
		p.Threads[0], p.Threads[last] = p.Threads[last], p.Threads[0]
	}
	return t
}

// file is the open file with this address; isNew says that its fields are to be filled.
func (b *builder) file(id fastcr.KObj) (f *fastcr.File, isNew bool) {
	if f = b.files[id]; f != nil {
		return f, false
	}
	f = &fastcr.File{ID: id}
	b.files[id] = f
	b.list = append(b.list, f)
	return f, true
}

// addFD puts a descriptor into the table with this address (task->files). A
// descriptor that the table has already is not put in twice: some kernels walk
// a table once more for the last thread.
func (b *builder) addFD(table fastcr.KObj, fd fastcr.FD) {
	nums := b.fds[table]
	if nums == nil {
		nums = map[int]bool{}
		b.fds[table] = nums
	}
	if nums[fd.Num] {
		return
	}
	nums[fd.Num] = true
	b.tables[table] = append(b.tables[table], fd)
}

// tree is what was read: the root first, parents before their children, every
// descriptor table with the first process that has it.
func (b *builder) tree() (*fastcr.Tree, error) {
	if err := b.settle(); err != nil {
		return nil, err
	}
	if err := b.lists.complete(b); err != nil && !b.running {
		return nil, err
	}
	b.settleProcesses()
	b.addGates()
	t := &fastcr.Tree{Files: b.list}
	children := map[int][]*fastcr.Process{}
	for _, p := range b.order {
		if parent := b.procs[p.PPID]; parent == nil || parent == p {
			t.Processes = append(t.Processes, p)
			continue
		}
		children[p.PPID] = append(children[p.PPID], p)
	}
	for i := 0; i < len(t.Processes); i++ {
		t.Processes = append(t.Processes, children[t.Processes[i].PID]...)
	}
	given := map[fastcr.KObj]bool{}
	for _, p := range t.Processes {
		if !given[p.FilesID] {
			p.Files = b.tables[p.FilesID]
			given[p.FilesID] = true
		}
	}
	return t, nil
}
