package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/fastcr/fastcr/bench/servers"
)

// serve takes PORT ITEMS MIB.
func serve(ctx context.Context, args []string) error {
	var n [3]int
	for i, a := range args {
		var err error
		if n[i], err = strconv.Atoi(a); err != nil {
			return fmt.Errorf("serve PORT ITEMS MIB: %w", err)
		}
	}
	return servers.Serve(ctx, n[0], n[1], n[2])
}
