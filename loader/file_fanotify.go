package loader

import "github.com/fastcr/fastcr"

// decodeFanotify is struct fanotify_group_private_data.
func decodeFanotify(rec []byte, b *builder) error {
	r, _, err := view[fileFileFanotify](rec)
	if err != nil {
		return err
	}
	_, d := detail[fastcr.Fanotify](b, r.File)
	d.Flags, d.EventFlags, d.Queued = r.Flags, r.EventFlags, uint32(r.Queued)
	return nil
}

// addFanotifyMark is a struct fsnotify_mark of a fanotify instance.
func addFanotifyMark(r *fileFileMark, names []byte, b *builder) {
	_, d := detail[fastcr.Fanotify](b, r.File)
	d.Marks = append(d.Marks, fastcr.FanotifyMark{
		InotifyWatch: watchOf(r, names, r.Mask), Type: r.Type, Ignored: r.Ignored, Flags: r.Flags, MountID: r.MntId,
	})
}
