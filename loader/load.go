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
	"strings"
)

// Options say how the programs are had. The zero value is right for a dump.
type Options struct {
	NoPins bool // neither use nor leave pinned programs
}

// Loader holds the loaded programs. Several sessions may use it, one after the other.
type Loader struct {
	objects []object // as sources
}

// object is what one source's object file became.
type object struct {
	coll *ebpf.Collection
	prog *ebpf.Program // the iterator that every dump reads
	more more
}

// Load loads every program. Errors wrap ebpf.VerifierError or, on a kernel
// without BTF or iterators, ebpf.ErrNotSupported.
func Load(opts Options) (*Loader, error) {
	l := &Loader{objects: make([]object, len(sources))}
	cache := btf.NewCache()
	if _, err := cache.Kernel(); err != nil {
		return nil, fmt.Errorf("read the kernel's type information: %w", err)
	}
	go machineLayout()
	errs := make(chan error, len(sources))
	for i := range sources {
		go func() { errs <- l.objects[i].load(&sources[i], cache) }()
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

func (o *object) load(src *source, cache *btf.Cache) error {
	spec, err := src.spec()
	if err != nil {
		return fmt.Errorf("read program %s: %w", src.name, err)
	}
	o.coll, err = ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: cache})
	if err != nil {
		return fmt.Errorf("load program %s: %w", src.name, err)
	}
	for name, p := range o.coll.Programs {
		switch {
		case spec.Programs[name].AttachType != ebpf.AttachTraceIter:
		case strings.HasPrefix(name, morePrefix):
			o.more.prog = p
		default:
			o.prog = p
		}
	}
	o.more.cursor = o.coll.Maps[src.name+cursorSuffix]
	if o.prog == nil {
		return fmt.Errorf("load program %s: no iterator in its object", src.name)
	}
	return nil
}

// Close unloads the programs. Sessions must be closed before.
func (l *Loader) Close() {
	for _, o := range l.objects {
		if o.coll != nil {
			o.coll.Close()
		}
	}
	l.objects = nil
}
