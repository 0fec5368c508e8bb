package images

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// namespaces are the kinds by the names that nsfs gives their files, such as net:[4026531840].
var namespaces = map[string]struct {
	id    uint32 // as in ids-PID.img
	clone uint32
	of    func(*fastcr.Namespaces) uint32 // inode number
}{
	"pid":    {nsPID, unix.CLONE_NEWPID, func(n *fastcr.Namespaces) uint32 { return n.PID }},
	"net":    {nsNet, unix.CLONE_NEWNET, func(n *fastcr.Namespaces) uint32 { return n.Net }},
	"ipc":    {nsIPC, unix.CLONE_NEWIPC, func(n *fastcr.Namespaces) uint32 { return n.IPC }},
	"uts":    {nsUTS, unix.CLONE_NEWUTS, func(n *fastcr.Namespaces) uint32 { return n.UTS }},
	"time":   {nsTime, unix.CLONE_NEWTIME, func(n *fastcr.Namespaces) uint32 { return n.Time }},
	"mnt":    {nsMnt, unix.CLONE_NEWNS, func(n *fastcr.Namespaces) uint32 { return n.Mnt }},
	"user":   {nsUser, unix.CLONE_NEWUSER, func(n *fastcr.Namespaces) uint32 { return n.User }},
	"cgroup": {nsCgroup, unix.CLONE_NEWCGROUP, func(n *fastcr.Namespaces) uint32 { return n.Cgroup }},
}

func namespaceKind(f *fastcr.File) string {
	kind, _, _ := strings.Cut(f.Path.Path, ":")
	return kind
}

// namespaceUnfit wants a namespace to be the one that the tree is in: a restore opens that of
// a restored process.
func namespaceUnfit(f *fastcr.File, n *fastcr.Namespaces) string {
	kind, ok := namespaces[namespaceKind(f)]
	if !ok || uint64(kind.of(n)) != f.Path.Ino {
		return "is a descriptor of a namespace that the tree is not in, which a restore does not find"
	}
	return ""
}

// encodeNamespace writes ns_file_entry.
func encodeNamespace(t *fileTable, id uint32, f *fastcr.File) error {
	kind, ok := namespaces[namespaceKind(f)]
	if !ok {
		return fmt.Errorf("%s: namespaces of this kind have no image", f.Path.Path)
	}
	t.add(pb.FdTypes_NS, id, &pb.FileEntry{Nsf: &pb.NsFileEntry{Id: &id, NsId: &kind.id, NsCflag: &kind.clone, Flags: &f.Flags}})
	return nil
}
