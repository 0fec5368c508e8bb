package loader

import (
	"fmt"
	"os"

	"github.com/fastcr/fastcr"
)

// ReadOwn reads, with the programs that read the target's, what fastcr itself has open at
// these descriptors: files that came out of the target's socket queues, where they are
// in nobody's table. It is called in the freeze, only if there are such. seen is called as
// EachFile calls its function.
func (s *Session) ReadOwn(fds []int, seen func(SeenFile) error) (map[int]*fastcr.File, error) {
	want := make(map[int]bool, len(fds))
	for _, fd := range fds {
		want[fd] = true
	}
	st := s.source("file")
	r := reader{pid: os.Getpid(), fd: -1}
	if err := r.open(st.progFD); err != nil {
		return nil, fmt.Errorf("own files: %w", err)
	}
	defer r.close()
	var own arena
	own.reserve(arenaFirst)
	if err := r.read(&own); err != nil {
		return nil, fmt.Errorf("own files: %w", err)
	}
	b := newBuilder()
	out := make(map[int]*fastcr.File, len(fds))
	wanted := false
	err := own.each(func(rec []byte) error {
		if recordType(rec) == recFile {
			head, _, err := view[fileFileRec](rec)
			if err != nil {
				return err
			}
			if wanted = want[int(head.Fd)]; wanted {
				defer func() { out[int(head.Fd)] = b.files[fastcr.KObj(head.File)] }()
			}
		}
		if !wanted {
			return nil
		}
		return decodeFile(rec, b)
	})
	if err == nil {
		err = eachSeen(own.each, func(f SeenFile) error {
			if !want[f.FD] {
				return nil
			}
			return seen(f)
		})
	}
	if err == nil && len(out) != len(want) {
		err = fmt.Errorf("%d of %d files were seen", len(out), len(want))
	}
	if err == nil {
		err = b.lists.complete(b)
	}
	if err != nil {
		return nil, fmt.Errorf("own files: %w", err)
	}
	return out, nil
}

// source is the stream of the named source.
func (s *Session) source(name string) *stream {
	for i := range s.streams {
		if s.streams[i].src.name == name {
			return &s.streams[i]
		}
	}
	return nil
}
