package tests

import "testing"

func TestSignals(t *testing.T) {
	runCase(t, Case{Name: "actions", Source: "sigactions"})
	runCase(t, Case{Name: "timers", Source: "timers"})
}
