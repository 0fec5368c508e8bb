package loader

import "fmt"

// One program call can write no more than a seq_file holds. What an object has
// beyond that is read by a second iterator of the same object file, named
// more_*, which starts where a cursor says. The cursor lies in task storage of
// fastcr's own main thread: runs that share a pinned program have one each, and
// it goes when fastcr does.
const (
	morePrefix   = "more_"
	cursorSuffix = "_cursor"
)

// more is a source's second iterator and the map that holds its cursor; -1: it has none.
type more struct{ prog, cursor int }

// readMore reads process pid with st's second iterator into its arena. place
// is that program's cursor.
func readMore[T any](s *Session, st *stream, pid int, place *T) error {
	if err := mapPut(st.more.cursor, int32(s.self), place); err != nil {
		return fmt.Errorf("set cursor of pid %d: %w", pid, err)
	}
	r := reader{pid: pid, fd: -1}
	if err := r.open(st.more.prog); err != nil {
		return err
	}
	defer r.close()
	return r.read(&st.arena)
}
