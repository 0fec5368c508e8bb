package images

import (
	"fmt"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// fdTable is one process's descriptors, found by what they lead to.
type fdTable struct {
	fds    []fastcr.FD
	open   map[openFD]bool
	byFile map[fastcr.KObj][]int
}

// openFD is a descriptor and the open file that it leads to.
type openFD struct {
	fd   int
	file fastcr.KObj
}

// index is made for the first epoll instance: most tables have none, others thousands.
func (t *fdTable) index() {
	if t.open != nil {
		return
	}
	t.open = make(map[openFD]bool, len(t.fds))
	t.byFile = make(map[fastcr.KObj][]int, len(t.fds))
	for i := range t.fds {
		fd := &t.fds[i]
		t.open[openFD{fd.Num, fd.File.ID}] = true
		t.byFile[fd.File.ID] = append(t.byFile[fd.File.ID], fd.Num)
	}
}

// holders gives the descriptor table from which criu restores each open file:
// that of the lowest pid. A table that several processes share counts with the
// lowest of them.
func holders(t *fastcr.Tree) map[fastcr.KObj]*fdTable {
	lowest := map[fastcr.KObj]int{} // pid by table
	for _, p := range t.Processes {
		if pid, ok := lowest[p.FilesID]; p.State != fastcr.TaskDead && (!ok || p.PID < pid) {
			lowest[p.FilesID] = p.PID
		}
	}
	tables := map[fastcr.KObj]*fdTable{}
	by := map[fastcr.KObj]int{}
	for _, p := range t.Processes {
		pid, table := lowest[p.FilesID], &fdTable{fds: p.Files}
		for i := range p.Files {
			id := p.Files[i].File.ID
			if was, ok := by[id]; !ok || pid < was {
				by[id], tables[id] = pid, table
			}
		}
	}
	passed(t, tables)
	return tables
}

// passed adds the open files that only messages have: the process restores them that is
// to receive them.
func passed(t *fastcr.Tree, tables map[fastcr.KObj]*fdTable) {
	given := map[fastcr.KObj]*fdTable{} // by table
	for _, p := range t.Processes {
		if len(p.Files) > 0 {
			given[p.FilesID] = &fdTable{fds: p.Files}
		}
		for i := range p.Passed {
			tables[p.Passed[i].File.ID] = given[p.FilesID]
		}
	}
}

// watchedFDs are the descriptors by which a restore adds an epoll instance's
// watches: the one that was used, or another of the same file in the table that
// the instance is restored from, where that one is closed or is another file now.
func watchedFDs(table *fdTable, watches []fastcr.EpollWatch) ([]int, error) {
	if table == nil {
		table = &fdTable{} // nobody holds it
	}
	table.index()
	used := make(map[int]bool, len(watches))
	out := make([]int, len(watches))
	for i := range watches {
		if w := &watches[i]; table.open[openFD{w.FD, w.File}] {
			out[i], used[w.FD] = w.FD, true
		}
	}
	for i := range watches {
		w := &watches[i]
		if table.open[openFD{w.FD, w.File}] {
			continue
		}
		found := false
		for _, fd := range table.byFile[w.File] {
			if !used[fd] {
				out[i], used[fd], found = fd, true, true
				break
			}
		}
		if !found {
			return nil, fmt.Errorf("watches descriptor %d, whose file has no descriptor of its own in the process that restores the watch", w.FD)
		}
	}
	return out, nil
}

func encodeEpoll(t *fileTable, id uint32, f *fastcr.File) error {
	d, err := detail[fastcr.Epoll](f)
	if err != nil {
		return err
	}
	fds, err := watchedFDs(t.holders[f.ID], d.Watches)
	if err != nil {
		return err
	}
	e := &pb.EventpollFileEntry{Id: &id, Flags: &f.Flags, Fown: ownerEntry(f.Owner)}
	for i := range d.Watches {
		w := &d.Watches[i]
		e.Tfd = append(e.Tfd, &pb.EventpollTfdEntry{
			Id: &id, Tfd: u32(fds[i]), Events: &w.Events, Data: &w.Data, Dev: u32(w.Dev), Inode: &w.Ino, Pos: &w.Pos,
		})
	}
	t.add(pb.FdTypes_EVENTPOLL, id, &pb.FileEntry{Epfd: e})
	return nil
}
