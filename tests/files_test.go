package tests

import "testing"

func TestInotify(t *testing.T) {
	runCase(t, Case{Name: "watches", Source: "inotify"})
	runCase(t, Case{Name: "queued events", Source: "inotify", Args: []string{"queued"}})
	runCase(t, Case{Name: "deleted", Source: "inotify", Args: []string{"deleted"}, CRIUCannot: "it loses the watch",
		Refused: []string{"inotify", "watch 1", "deleted", "remove the watch"}})
}
