package main

import (
	"context"
	"strings"

	"github.com/fastcr/fastcr/restore"
)

func runRestore(args []string) error {
	var dir string
	f := newFlags("restore", "-D DIR [OPTIONS of criu restore]",
		"Checks the images in DIR and has the installed criu (4.1 or newer; FASTCR_CRIU names it, or PATH)\nrestore them. Every other option goes to criu restore as it is: -j, -d, --pidfile FILE …",
		"fastcr restore -D img -j\nfastcr restore -D img -d --pidfile pid -v4 -o restore.log")
	f.StringVarP(&dir, "images-dir", "D", ".", "directory of the images")
	own, rest := splitImagesDir(args)
	if err := parse(f, own); err != nil {
		return err
	}
	return restore.Exec(context.Background(), restore.Options{ImagesDir: dir, Args: rest})
}

// splitImagesDir takes fastcr's own options out of criu's.
func splitImagesDir(args []string) (own, rest []string) {
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-D" || a == "--images-dir":
			own = append(own, args[i:min(i+2, len(args))]...)
			i++
		case strings.HasPrefix(a, "-D") || strings.HasPrefix(a, "--images-dir=") || a == "-h" || a == "--help":
			own = append(own, a)
		default:
			rest = append(rest, a)
		}
	}
	return own, rest
}
