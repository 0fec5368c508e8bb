package main

import (
	"fmt"
	"runtime"
)

func runVersion(args []string) error {
	if err := parse(newFlags("version", "", "Prints fastcr's version.", "fastcr version"), args); err != nil {
		return err
	}
	fmt.Printf("fastcr %s (%s %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
