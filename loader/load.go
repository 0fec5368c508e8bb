// Package loader reads what the kernel knows about a process tree: BPF
// iterators over tasks, mappings and open files, loaded or opened from pins
// before the freeze, read with nothing but read(2) inside it, and decoded into
// package fastcr's types after the thaw.
package loader

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Options say how the programs are had. The zero value is right for a dump.
type Options struct {
	NoPins bool // neither use nor leave pinned programs
}

// Loader holds the loaded programs. Several sessions may use it, one after the other.
type Loader struct {
	progs []*ebpf.Program // as sources
	colls []*ebpf.Collection
}

// Load loads every program. Errors wrap ebpf.VerifierError or, on a kernel
// without BTF or iterators, ebpf.ErrNotSupported.
func Load(opts Options) (*Loader, error) {
	l := &Loader{progs: make([]*ebpf.Program, len(sources)), colls: make([]*ebpf.Collection, len(sources))}
	cache := btf.NewCache()
	if _, err := cache.Kernel(); err != nil {
		return nil, fmt.Errorf("read the kernel's type information: %w", err)
	}
	errs := make(chan error, len(sources))
	for i := range sources {
		go func() { errs <- l.loadSource(i, cache) }()
	}
	var err error
	for range sources {
		err = errors.Join(err, <-errs)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Loader) loadSource(i int, cache *btf.Cache) error {
	src := &sources[i]
	spec, err := src.spec()
	if err != nil {
		return fmt.Errorf("read program %s: %w", src.name, err)
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: cache})
	if err != nil {
		return fmt.Errorf("load program %s: %w", src.name, err)
	}
	l.colls[i] = coll
	for name, p := range spec.Programs {
		if p.AttachType == ebpf.AttachTraceIter {
			l.progs[i] = coll.Programs[name]
		}
	}
	if l.progs[i] == nil {
		return fmt.Errorf("load program %s: no iterator in its object", src.name)
	}
	return nil
}

// Close unloads the programs. Sessions must be closed before.
func (l *Loader) Close() {
	for _, c := range l.colls {
		if c != nil {
			c.Close()
		}
	}
	l.colls, l.progs = nil, nil
}
