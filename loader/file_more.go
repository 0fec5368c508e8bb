package loader

import (
	"fmt"

	"github.com/fastcr/fastcr"
)

// enum list_change
const (
	listChanged = 1
	listGone    = 2
)

// listKey names a list of an open file: by its address and its records' type.
type listKey struct {
	file uint64
	typ  uint32
}

// fileList is what has been decoded of a list.
type fileList struct {
	seen map[uint64]bool // addresses of the entries: a file is met through every descriptor that it has
	more bool            // the end has not come yet
}

type fileLists map[listKey]*fileList

func (l fileLists) list(k listKey) *fileList {
	have := l[k]
	if have == nil {
		have = &fileList{seen: map[uint64]bool{}}
		l[k] = have
	}
	return have
}

// add tells whether the entry at this address is new in the list.
func (l fileLists) add(file uint64, typ uint32, item uint64) bool {
	have := l.list(listKey{file, typ})
	if have.seen[item] {
		return false
	}
	have.seen[item] = true
	return true
}

// complete says whose list has not been read to its end.
func (l fileLists) complete(b *builder) error {
	for k, have := range l {
		if have.more {
			return fmt.Errorf("%s: the list of its entries changed while it was read", b.files[fastcr.KObj(k.file)].Path.Path)
		}
	}
	return nil
}

// decodeMore says how far a list has come.
func decodeMore(rec []byte, b *builder) error {
	r, _, err := view[fileFileMore](rec)
	if err != nil {
		return err
	}
	f, _ := b.file(fastcr.KObj(r.File))
	list := b.lists.list(listKey{r.File, r.Type})
	list.more = r.Changed != listGone && (r.Changed != 0 || r.Next != 0 || r.Skip != 0)
	if r.Changed != listChanged {
		return nil
	}
	clear(list.seen)
	switch d := f.Detail.(type) {
	case *fastcr.Epoll:
		if r.Type == recFileWatch {
			d.Watches = nil
		}
	case *fastcr.Inotify:
		if r.Type == recFileMark {
			d.Watches = nil
		}
	}
	if r.Type == recFileLock {
		f.Locks = nil
	}
	return nil
}

// restOfFiles reads, still in the freeze, the lists that were too long for one
// program call, once each.
func restOfFiles(s *Session, st *stream) error {
	var left []fileFilePlace
	var pids []int
	seen := map[listKey]bool{}
	err := st.arena.each(func(rec []byte) error {
		if recordType(rec) != recFileMore {
			return nil
		}
		r, _, err := view[fileFileMore](rec)
		if err != nil || seen[listKey{r.File, r.Type}] {
			return err
		}
		seen[listKey{r.File, r.Type}] = true
		left = append(left, placeOf(r))
		pids = append(pids, int(r.Tgid))
		return nil
	})
	for i := 0; i < len(left) && err == nil; i++ {
		err = s.restOfList(st, pids[i], left[i])
	}
	return err
}

// placeOf is where a list goes on; at its start if it has changed.
func placeOf(r *fileFileMore) fileFilePlace {
	p := fileFilePlace{File: r.File, Tid: r.Tid, Fd: r.Fd, Type: r.Type}
	if r.Changed == 0 {
		p.Next, p.Skip = r.Next, r.Skip
	}
	return p
}

const listTries = 8

// restOfList reads a list to its end. One that will not stand still stays
// unfinished, which decoding reports.
func (s *Session) restOfList(st *stream, pid int, at fileFilePlace) error {
	for tries := 0; tries < listTries; {
		from := st.arena.mark()
		if err := readMore(s, st, pid, &at); err != nil {
			return fmt.Errorf("fd %d of pid %d: %w", at.Fd, pid, err)
		}
		var last *fileFileMore
		err := st.arena.since(from, func(rec []byte) (err error) {
			if recordType(rec) == recFileMore {
				last, _, err = view[fileFileMore](rec)
			}
			return err
		})
		if err != nil {
			return err
		}
		if last == nil || last.Changed == listGone || last.Changed == 0 && last.Next == 0 && last.Skip == 0 {
			return nil
		}
		next := placeOf(last)
		if last.Changed != 0 || next == at {
			tries++
		}
		at = next
	}
	return nil
}
