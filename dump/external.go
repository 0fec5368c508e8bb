package dump

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/fastcr/fastcr"
)

// externalSyntax are the resources that --external names: files, terminals and unix sockets,
// which the restore is handed with --inherit-fd. A device is named for criu's
// mounts, of which a process outside of containers has none of its own.
var externalSyntax = regexp.MustCompile(`^(file\[[0-9a-f]+:[0-9a-f]+\]|tty\[[0-9a-f]+:[0-9a-f]+\]|unix\[[0-9]+\]|dev\[[0-9]+/[0-9]+\])(:.*)?$`)

// checkExternal wants every --external to be one that a dump knows.
func checkExternal(external []string) error {
	for _, e := range external {
		if !externalSyntax.MatchString(e) {
			return fmt.Errorf("--external %s: give file[MOUNT:INODE], tty[RDEV:DEV] in hexadecimal, unix[INODE], or dev[MAJOR/MINOR]:NAME", e)
		}
	}
	return nil
}

// markExternal marks the files of the tree that --external names.
func (o *Options) markExternal(t *fastcr.Tree) {
	if len(o.External) == 0 {
		return
	}
	eachPath(t, func(u pathUse) {
		id := fmt.Sprintf("file[%x:%x]", u.path.MntID, u.path.Ino)
		if u.kind == fastcr.KindTTY {
			id = fmt.Sprintf("tty[%x:%x]", u.path.RDev, u.path.Dev)
		}
		if slices.ContainsFunc(o.External, func(e string) bool { return externalSyntax.FindStringSubmatch(e)[1] == id }) {
			u.path.External = id
		}
	})
}
