// Package loader reads what the kernel knows about a process tree: BPF
// iterators over tasks, mappings and open files, loaded or opened from pins
// before the freeze, read with nothing but read(2) inside it, and decoded into
// package fastcr's types after the thaw.
package loader

import (
	"bytes"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
	"strings"

	"github.com/fastcr/fastcr/xstate"
)

// Options say how the programs are had. The zero value is right for a dump.
type Options struct {
	NoPins bool // neither use nor leave pinned programs

	pinDir string // of tests
}

// Loader holds the loaded programs. Several sessions may use it, one after the other.
type Loader struct {
	objects []object // as sources
	pinned  bool
}

// object is what one source's object file became: descriptors.
type object struct {
	prog int // the iterator that every dump reads
	more more
}

// Load opens the programs that an earlier run has pinned, or loads them and
// pins them for the next. Errors wrap ebpf.VerifierError or, on a kernel
// without BTF or iterators, ebpf.ErrNotSupported.
func Load(opts Options) (*Loader, error) {
	dir := opts.pinDir
	if dir == "" {
		dir = defaultPinDir
	}
	usePins := !opts.NoPins && os.Geteuid() == 0
	go xstate.Machine()
	l := newLoader()
	if usePins && l.openPins(dir) == nil {
		l.pinned = true
		return l, nil
	}
	l.Close()
	l = newLoader()
	if err := l.load(); err != nil {
		l.Close()
		return nil, err
	}
	if usePins {
		_ = l.pin(dir) // the next run is slower, no more
	}
	return l, nil
}

// Pinned says whether the programs were opened from pins.
func (l *Loader) Pinned() bool { return l.pinned }

func newLoader() *Loader {
	l := &Loader{objects: make([]object, len(sources))}
	for i := range l.objects {
		l.objects[i] = object{prog: -1, more: more{prog: -1, cursor: -1}}
	}
	return l
}

// load has the kernel verify every program, several at a time. Objects are read
// while the kernel's type information is, which takes longest.
func (l *Loader) load() error {
	cache := btf.NewCache()
	kernel := make(chan struct{})
	errs := make(chan error, len(sources))
	for i := range sources {
		go func() { errs <- l.objects[i].load(&sources[i], cache, kernel) }()
	}
	_, err := cache.Kernel()
	close(kernel)
	if err != nil {
		err = fmt.Errorf("read the kernel's type information: %w", err)
	}
	for range sources {
		if other := <-errs; err == nil {
			err = other
		}
	}
	return err
}

// load loads one object once kernel is closed: then cache has its types.
func (o *object) load(src *source, cache *btf.Cache, kernel <-chan struct{}) error {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(src.object))
	if err != nil {
		return fmt.Errorf("read program %s: %w", src.name, err)
	}
	for _, p := range spec.Programs {
		dropLines(p.Instructions)
	}
	<-kernel
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: cache})
	if err != nil {
		return fmt.Errorf("load program %s: %w", src.name, err)
	}
	defer coll.Close()
	for name, p := range coll.Programs {
		fd := &o.prog
		if strings.HasPrefix(name, morePrefix) {
			fd = &o.more.prog
		}
		if *fd, err = dup(p.FD()); err != nil {
			return fmt.Errorf("program %s: %w", name, err)
		}
	}
	if m := coll.Maps[src.name+cursorSuffix]; m != nil {
		if o.more.cursor, err = dup(m.FD()); err != nil {
			return fmt.Errorf("cursor of program %s: %w", src.name, err)
		}
	}
	if o.prog < 0 {
		return fmt.Errorf("program %s: no iterator in its object", src.name)
	}
	return nil
}

// dropLines takes out the line information, which only readers of verifier logs
// need and which costs a millisecond. Where a function starts the kernel wants
// some, because cilium/ebpf leaves a remark at what does not exist here.
func dropLines(insns asm.Instructions) {
	for i := range insns {
		var source fmt.Stringer
		if btf.FuncMetadata(&insns[i]) != nil {
			source = asm.Comment("function")
		}
		insns[i] = insns[i].WithSource(source)
	}
}

func dup(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

// Close unloads the programs that are not pinned. Sessions must be closed before.
func (l *Loader) Close() {
	for _, o := range l.objects {
		for _, fd := range []int{o.prog, o.more.prog, o.more.cursor} {
			if fd >= 0 {
				_ = unix.Close(fd)
			}
		}
	}
	l.objects = nil
}
