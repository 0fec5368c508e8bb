package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// benchProgram lies beside fastcr, or in the path.
const benchProgram = "fastcr-bench"

// runBench becomes the benchmark suite, a program of its own.
func runBench(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	program := filepath.Join(filepath.Dir(self), benchProgram)
	if _, err := os.Stat(program); errors.Is(err, os.ErrNotExist) {
		if program, err = exec.LookPath(benchProgram); err != nil {
			return fmt.Errorf("%s is neither beside %s nor in the path: make build makes both", benchProgram, self)
		}
	}
	return fmt.Errorf("%s: %w", program, unix.Exec(program, append([]string{benchProgram}, args...), os.Environ()))
}
