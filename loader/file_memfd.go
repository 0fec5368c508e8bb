package loader

import (
	"strings"

	"github.com/fastcr/fastcr"
)

// decodeMemfd is struct shmem_inode_info or hugetlbfs_inode_info. Other memory
// without a name has no "memfd:" before it.
func decodeMemfd(rec []byte, b *builder) error {
	r, _, err := view[fileFileMemfd](rec)
	if err != nil {
		return err
	}
	f, d := detail[fastcr.Memfd](b, r.File)
	*d = fastcr.Memfd{Name: strings.TrimPrefix(strings.TrimPrefix(f.Path.Path, "/"), "memfd:"), Seals: r.Seals}
	if r.Hugetlb != 0 {
		d.HugePage = r.Blocksize
	}
	return nil
}
