package memory

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

// ScanAvailable tells whether the kernel has PAGEMAP_SCAN (6.7): nil, or why not.
func ScanAvailable() error {
	s, err := NewScanner(os.Getpid())
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = pagemapScan(s.pagemap, Range{PageSize, 2 * PageSize}, s.regions)
	if errors.Is(err, unix.ENOTTY) {
		return fmt.Errorf("PAGEMAP_SCAN is in Linux 6.7 and newer: %w", fastcr.ErrNotSupported)
	}
	return err
}
