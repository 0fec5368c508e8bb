package tests

import "testing"

func TestRegisters(t *testing.T) {
	runCase(t, Case{Name: "patterns in 100 threads", Source: "registers"})
}

func TestRseq(t *testing.T) {
	runCase(t, Case{Name: "inside a critical section", Source: "rseq"})
}
