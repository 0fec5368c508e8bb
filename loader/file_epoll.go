package loader

import "github.com/fastcr/fastcr"

// decodeWatch is one struct epitem.
func decodeWatch(rec []byte, b *builder) error {
	r, _, err := view[fileFileWatch](rec)
	if err != nil {
		return err
	}
	if !b.lists.add(r.File, recFileWatch, r.Item) {
		return nil
	}
	_, d := detail[fastcr.Epoll](b, r.File)
	d.Watches = append(d.Watches, fastcr.EpollWatch{
		FD: int(r.Fd), File: fastcr.KObj(r.Target), Events: r.Events, Data: r.Data, Dev: uint64(r.Dev), Ino: r.Ino, Pos: r.Pos,
	})
	return nil
}
