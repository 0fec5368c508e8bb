package restore

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr/images"
)

// Options are criu's own for restore; Args are handed on as they are.
type Options struct {
	ImagesDir string
	Args      []string // further options of criu restore
}

// Exec checks the images and becomes criu: the restored program is criu's
// child, has the terminal, and its exit code is the caller's. It returns only
// on an error.
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
