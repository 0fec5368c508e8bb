package restore

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr/images"
)

// Exec checks the images and becomes criu, which stays the program's parent until it ends
// and then exits with 0, however the program ended; Run tells that. It returns on errors
// only. The standard files in opts are not used.
func Exec(ctx context.Context, opts Options) error {
	if err := images.Check(opts.ImagesDir); err != nil {
		return err
	}
	criu, err := Find(ctx)
	if err != nil {
		return err
	}
	args := append([]string{"criu", "restore", "--images-dir", opts.ImagesDir}, opts.Args...)
	if err := unix.Exec(criu.Path, args, os.Environ()); err != nil {
		return fmt.Errorf("run %s: %w", criu.Path, err)
	}
	return nil
}
