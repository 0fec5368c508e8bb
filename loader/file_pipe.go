package loader

import "github.com/fastcr/fastcr"

// decodePipe is struct pipe_inode_info, of a pipe or a FIFO.
func decodePipe(rec []byte, b *builder) error {
	r, _, err := view[fileFilePipe](rec)
	if err != nil {
		return err
	}
	f, d := detail[fastcr.Pipe](b, r.File)
	*d = fastcr.Pipe{
		ID: f.Path.Ino, Object: fastcr.KObj(r.Object), Readers: r.Readers, Writers: r.Writers,
		RingSize: r.Ring, Bytes: r.Bytes, Packets: r.Packets != 0, WatchQueue: r.WatchQueue != 0,
	}
	return nil
}
