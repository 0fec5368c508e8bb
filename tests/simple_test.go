package tests

import "testing"

// TestCounter is the README's program: no number is lost or repeated.
func TestCounter(t *testing.T) { runCase(t, Case{Name: "counter", Source: "counter", Once: true}) }
