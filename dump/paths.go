package dump

import (
	"errors"
	"fmt"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/objects"
)

// pathUse is a file that the tree reaches by a path.
type pathUse struct {
	pid, fd int // fd -1: mapped, or one of the process's own
	kind    fastcr.FileKind
	path    *fastcr.PathRef
}

// eachPath calls f with every path in the tree, some of them more than once.
func eachPath(t *fastcr.Tree, f func(pathUse)) {
	for _, p := range t.Processes {
		for _, fd := range p.OpenFiles() {
			file := fd.File
			switch file.Kind {
			case fastcr.KindRegular, fastcr.KindCharDev, fastcr.KindFIFO, fastcr.KindTTY:
				f(pathUse{p.PID, fd.Num, file.Kind, &file.Path})
			}
		}
		for i := range p.VMAs {
			if v := &p.VMAs[i]; v.Kind == fastcr.VMAFilePrivate || v.Kind == fastcr.VMAFileShared {
				f(pathUse{p.PID, -1, fastcr.KindRegular, &v.Path})
			}
		}
		if p.State == fastcr.TaskDead {
			continue
		}
		for _, own := range []*fastcr.PathRef{&p.Exe, &p.CWD, &p.Root} {
			if own.Path != "" {
				f(pathUse{p.PID, -1, fastcr.KindRegular, own})
			}
		}
	}
}

// pathKey is a path and what it has to lead to.
type pathKey struct {
	path     string
	dev, ino uint64
}

// File systems whose files the kernel makes up: criu goes by their names.
const (
	procMagic   = 0x9fa0
	devptsMagic = 0x1cd1
)

// movedError says that a path leads elsewhere. In a target that runs it may have
// been renamed just now: a fresh look tells.
type movedError struct{ *fastcr.RefusedError }

func (e movedError) Is(target error) bool { return target == errChanged || e.RefusedError.Is(target) }

// checkPaths wants every path to lead to the file that the tree has open, once
// for each: a restore opens it by that. At the second call, with the target
// running again, what was right before the freeze is left alone.
func (c *contents) checkPaths(t *fastcr.Tree, running bool) error {
	var found []error
	proc := newProcFiles(t)
	eachPath(t, func(u pathUse) {
		p := u.path
		if p.External != "" || u.kind == fastcr.KindTTY || p.FSMagic == devptsMagic || p.Deleted && p.FSMagic != procMagic {
			return
		}
		key := pathKey{p.Path, p.Dev, p.Ino}
		known := running && c.paths[key]
		if p.FSMagic == procMagic {
			c.paths[key] = true
			if reason := proc.check(p, known); reason != "" {
				found = append(found, &fastcr.RefusedError{PID: u.pid, FD: u.fd, Object: p.Path, Reason: reason, Advice: "close it"})
			}
			return
		}
		if known {
			return
		}
		if objects.LeadsTo(p) {
			c.paths[key] = true
			return
		}
		c.paths[key] = true // once is enough to say so
		found = append(found, movedError{&fastcr.RefusedError{PID: u.pid, FD: u.fd, Object: p.Path,
			Reason: fmt.Sprintf("its path does not lead to it (inode %d of device %#x): something is mounted over it", p.Ino, p.SDev),
			Advice: "close it, or unmount what hides it"}})
	})
	return errors.Join(found...)
}
