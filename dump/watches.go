package dump

import (
	"errors"
	"fmt"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/objects"
)

// watchKey names a watched file: device, inode and path in its file system.
type watchKey struct {
	sdev uint32
	ino  uint64
	path string
}

// nameWatches gives inotify watches the paths by which a restore finds what they
// watch. At the look, which is before the freeze, a file that no path leads to is
// refused. At the second call the target may run again: what it has renamed or
// removed since has the path of the look.
func (r *run) nameWatches(t *fastcr.Tree) error {
	var mounts objects.Mounts
	var found []error
	for _, p := range t.Processes {
		for _, fd := range p.OpenFiles() {
			d, ok := fd.File.Detail.(*fastcr.Inotify)
			if !ok || len(d.Watches) == 0 {
				continue
			}
			if d.Queued > 0 {
				r.log.warn("files", "pid %d fd %d: %d events that wait in an inotify instance are not restored", p.PID, fd.Num, d.Queued)
			}
			if mounts == nil {
				var err error
				if mounts, err = objects.ReadMounts(); err != nil {
					return err
				}
			}
			for j := range d.Watches {
				w := &d.Watches[j]
				if err := r.contents.nameWatch(mounts, w); err != nil {
					found = append(found, &fastcr.RefusedError{PID: p.PID, FD: fd.Num, Object: "inotify",
						Reason: fmt.Sprintf("its watch %d: %v", w.WD, err), Advice: "remove the watch"})
				}
			}
		}
	}
	return errors.Join(found...)
}

func (c *contents) nameWatch(mounts objects.Mounts, w *fastcr.InotifyWatch) error {
	if w.FSPath == "" {
		// criu would watch the ghost that it makes of the file, and loses the watch
		// as it unlinks that.
		return fmt.Errorf("inode %d of device %#x was deleted", w.Ino, w.SDev)
	}
	key := watchKey{w.SDev, w.Ino, w.FSPath}
	err := mounts.NameWatch(w)
	if known, ok := c.watched[key]; ok && err != nil {
		w.Path, w.HandleType, w.Handle = known.Path, known.HandleType, known.Handle
		return nil
	}
	if err == nil {
		c.watched[key] = *w
	}
	return err
}
