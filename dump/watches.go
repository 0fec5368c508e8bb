package dump

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

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
// watch: it goes by handles in mount namespaces of its own only. At the look, which is before the freeze, a file
// that no path leads to is refused. At the second call the target may run again: what it has renamed or
// removed since has the path of the look.
func (r *run) nameWatches(t *fastcr.Tree) error {
	n := watchNames{run: r}
	for _, p := range t.Processes {
		for _, fd := range p.OpenFiles() {
			watches, queued := watchesOf(fd.File)
			if len(watches) == 0 {
				continue
			}
			if queued > 0 {
				r.log.warn("files", "pid %d fd %d: %d events that wait in %s are not restored", p.PID, fd.Num, queued, fd.File.Path.Path)
			}
			if err := n.name(p, &fd, watches); err != nil {
				return err
			}
		}
	}
	n.scan()
	return errors.Join(n.found...)
}

// watchNames looks for what is watched.
type watchNames struct {
	*run
	mounts objects.Mounts
	lost   []lostWatch
	found  []error
}

// lostWatch is a watch that neither a name nor a handle has led to.
type lostWatch struct {
	watch
	pid, fd int
	object  string
	err     error
}

// name finds what the watches of one instance watch, by name or by handle.
func (n *watchNames) name(p *fastcr.Process, fd *fastcr.FD, watches []watch) error {
	if n.mounts == nil {
		var err error
		if n.mounts, err = objects.ReadMounts(); err != nil {
			return err
		}
	}
	var handles map[objects.InodeKey]unix.FileHandle
	for _, w := range watches {
		err := n.contents.nameWatch(n.mounts, w.InotifyWatch, w.mount)
		lost := lostWatch{w, p.PID, fd.Num, fd.File.Path.Path, err}
		switch {
		case err == nil:
			continue
		case w.mount != 0 || w.Nlink == 0:
			n.refuse(&lost)
			continue
		case handles == nil && !fd.File.InMessage:
			handles, _ = objects.ReadHandles(p.PID, fd.Num) // gone with its process: the freeze will show
		}
		if h, ok := handles[keyOfInode(w)]; ok && n.mounts.FindByHandle(w.InotifyWatch, h) {
			n.keep(w.InotifyWatch, "by its handle")
		} else {
			n.lost = append(n.lost, lost)
		}
	}
	return nil
}

func keyOfInode(w watch) objects.InodeKey { return objects.InodeKey{SDev: w.SDev, Ino: w.Ino} }

// scan looks for what is left in all places that may have it.
func (n *watchNames) scan() {
	if len(n.lost) == 0 {
		return
	}
	wanted := map[objects.InodeKey]bool{}
	for _, w := range n.lost {
		wanted[keyOfInode(w.watch)] = true
	}
	paths := n.mounts.FindInodes(n.opts.IrmapScanPaths, wanted)
	for i := range n.lost {
		w := &n.lost[i]
		if path := paths[keyOfInode(w.watch)]; path != "" {
			objects.SetPath(w.InotifyWatch, path)
			n.keep(w.InotifyWatch, "by looking through directories")
		} else {
			n.refuse(w)
		}
	}
}

// keep remembers a watch that was found.
func (n *watchNames) keep(w *fastcr.InotifyWatch, how string) {
	n.contents.watched[keyOf(w)] = *w
	n.log.info("files", "inode %d of device %#x, which is watched, was found %s: %s", w.Ino, w.SDev, how, w.Path)
}

func (n *watchNames) refuse(w *lostWatch) {
	advice := "remove the watch"
	if w.mount == 0 && w.Nlink > 0 {
		advice = "give --irmap-scan-path with a directory that it is in, or remove the watch"
	}
	n.found = append(n.found, &fastcr.RefusedError{PID: w.pid, FD: w.fd, Object: w.object, Reason: fmt.Sprintf("its %s: %v", w.name, w.err), Advice: advice})
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

func keyOf(w *fastcr.InotifyWatch) watchKey { return watchKey{w.SDev, w.Ino, w.FSPath} }

// nameWatch finds what is watched by its name, or as it was found before.
func (c *contents) nameWatch(mounts objects.Mounts, w *fastcr.InotifyWatch, mount int32) error {
	if mount != 0 {
		return mounts.NameMount(w, mount)
	}
	if w.Nlink == 0 {
		// criu would watch the ghost that it makes of the file, and loses the watch
		// as it unlinks that.
		return fmt.Errorf("inode %d of device %#x was deleted", w.Ino, w.SDev)
	}
	err := mounts.NameWatch(w)
	if known, ok := c.watched[keyOf(w)]; ok && err != nil {
		w.Path, w.HandleType, w.Handle = known.Path, known.HandleType, known.Handle
		return nil
	}
	if err == nil {
		c.watched[keyOf(w)] = *w
	}
	return err
}
