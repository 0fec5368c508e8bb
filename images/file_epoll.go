package images

import (
	"fmt"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// holders gives the descriptor table from which criu restores each open file:
// that of the lowest pid. A table that several processes share counts with the
// lowest of them.
func holders(t *fastcr.Tree) map[fastcr.KObj][]fastcr.FD {
	lowest := map[fastcr.KObj]int{} // pid by table
	for _, p := range t.Processes {
		if pid, ok := lowest[p.FilesID]; p.State != fastcr.TaskDead && (!ok || p.PID < pid) {
			lowest[p.FilesID] = p.PID
		}
	}
	tables := map[fastcr.KObj][]fastcr.FD{}
	by := map[fastcr.KObj]int{}
	for _, p := range t.Processes {
		pid := lowest[p.FilesID]
		for i := range p.Files {
			id := p.Files[i].File.ID
			if was, ok := by[id]; !ok || pid < was {
				by[id], tables[id] = pid, p.Files
			}
		}
	}
	passed(t, tables)
	return tables
}

// passed adds the open files that only messages have: the process restores them that is
// to receive them.
func passed(t *fastcr.Tree, tables map[fastcr.KObj][]fastcr.FD) {
	given := map[fastcr.KObj][]fastcr.FD{} // by table
	for _, p := range t.Processes {
		if len(p.Files) > 0 {
			given[p.FilesID] = p.Files
		}
		for i := range p.Passed {
			tables[p.Passed[i].File.ID] = given[p.FilesID]
		}
	}
}

// watchedFDs are the descriptors by which a restore adds an epoll instance's
// watches: the one that was used, or another of the same file in the table that
// the instance is restored from, where that one is closed or is another file now.
func watchedFDs(table []fastcr.FD, watches []fastcr.EpollWatch) ([]int, error) {
	type watch struct {
		fd   int
		file fastcr.KObj
	}
	open := make(map[watch]bool, len(table))
	byFile := make(map[fastcr.KObj][]int, len(table))
	for i := range table {
		fd := &table[i]
		open[watch{fd.Num, fd.File.ID}] = true
		byFile[fd.File.ID] = append(byFile[fd.File.ID], fd.Num)
	}
	used := make(map[int]bool, len(watches))
	out := make([]int, len(watches))
	for i := range watches {
		if w := &watches[i]; open[watch{w.FD, w.File}] {
			out[i], used[w.FD] = w.FD, true
		}
	}
	for i := range watches {
		w := &watches[i]
		if open[watch{w.FD, w.File}] {
			continue
		}
		found := false
		for _, fd := range byFile[w.File] {
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
