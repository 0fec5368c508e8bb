package dump

import "github.com/fastcr/fastcr/loader"

// load opens the programs while the tree is gathered: the kernel has something
// to wait for there, and the programs may have to be loaded.
func (r *run) load() <-chan error {
	loaded := make(chan error, 1)
	go func() {
		var err error
		r.loader, err = loader.Load(loader.Options{})
		loaded <- err
	}()
	return loaded
}
