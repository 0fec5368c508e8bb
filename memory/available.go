package memory

import (
	"fmt"

	"github.com/fastcr/fastcr"
)

// ScanAvailable tells whether the kernel has PAGEMAP_SCAN (6.7): nil, or why not. Without
// it the Scanner reads pagemap entries, several times slower.
func ScanAvailable() error {
	has, err := features()
	if err == nil && !has.pagemapScan {
		err = fmt.Errorf("PAGEMAP_SCAN is in Linux 6.7 and newer: %w", fastcr.ErrNotSupported)
	}
	return err
}
