package tests

import (
	"strconv"
	"testing"
)

func TestThreads(t *testing.T) {
	for _, n := range []int{1, 50, 1000} {
		runCase(t, Case{Name: strconv.Itoa(n), Source: "threads", Args: []string{strconv.Itoa(n)}})
	}
}
