package loader

import "github.com/fastcr/fastcr"

// decodePidfd is a file of pidfs, or the anonymous one that kernels before 6.9 have.
func decodePidfd(rec []byte, b *builder) error {
	r, _, err := view[fileFilePidfd](rec)
	if err != nil {
		return err
	}
	_, d := detail[fastcr.Pidfd](b, r.File)
	*d = fastcr.Pidfd{Object: fastcr.KObj(r.Object), PID: int(r.Pid), Dead: r.Dead != 0}
	return nil
}
