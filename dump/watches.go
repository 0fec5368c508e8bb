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

// nameWatches gives inotify and fanotify watches the paths by which a restore finds what they
// watch. At the look, which is before the freeze, a file that no path leads to is
// refused. At the second call the target may run again: what it has renamed or
// removed since has the path of the look.
func (r *run) nameWatches(t *fastcr.Tree) error {
	var mounts objects.Mounts
	var found []error
	for _, p := range t.Processes {
		for _, fd := range p.OpenFiles() {
			watches, queued := watchesOf(fd.File)
			if len(watches) == 0 {
				continue
			}
			if queued > 0 {
				r.log.warn("files", "pid %d fd %d: %d events that wait in %s are not restored", p.PID, fd.Num, queued, fd.File.Path.Path)
			}
			if mounts == nil {
				var err error
				if mounts, err = objects.ReadMounts(); err != nil {
					return err
				}
			}
			for _, w := range watches {
				if err := r.contents.nameWatch(mounts, w.InotifyWatch, w.mount); err != nil {
					found = append(found, &fastcr.RefusedError{PID: p.PID, FD: fd.Num, Object: fd.File.Path.Path,
						Reason: fmt.Sprintf("its %s: %v", w.name, err), Advice: "remove the watch"})
				}
			}
		}
	}
	return errors.Join(found...)
}

// watch is what an inotify or fanotify instance watches.
type watch struct {
	*fastcr.InotifyWatch
	name  string
	mount int32 // of a mark on a mount: its number
}

func watchesOf(f *fastcr.File) (all []watch, queued uint32) {
	switch d := f.Detail.(type) {
	case *fastcr.Inotify:
		for i := range d.Watches {
			w := &d.Watches[i]
			all = append(all, watch{w, fmt.Sprintf("watch %d", w.WD), 0})
		}
		return all, d.Queued
	case *fastcr.Fanotify:
		for i := range d.Marks {
			m := &d.Marks[i]
			all = append(all, watch{&m.InotifyWatch, fmt.Sprintf("mark %d", i+1), m.MountID})
		}
		return all, d.Queued
	}
	return nil, 0
}

func (c *contents) nameWatch(mounts objects.Mounts, w *fastcr.InotifyWatch, mount int32) error {
	if mount != 0 {
		return mounts.NameMount(w, mount)
	}
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
