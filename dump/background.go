package dump

import (
	"github.com/fastcr/fastcr/images"
	"github.com/fastcr/fastcr/loader"
)

// background is what goes on beside prepare, while that waits for the kernel. It
// has ended before the freeze: the target's threads may have to wait for one of
// ours before they can freeze.
type background struct {
	loaded chan error // r.loader is there, or why not
	done   chan struct{}
}

// startBackground opens the programs and builds protobuf's tables.
func (r *run) startBackground() *background {
	b := &background{make(chan error, 1), make(chan struct{})}
	go func() {
		defer close(b.done)
		var err error
		r.loader, err = loader.Load(loader.Options{})
		b.loaded <- err
		images.Warm()
	}()
	return b
}
