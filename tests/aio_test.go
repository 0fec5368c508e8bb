package tests

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAIO: contexts of io_setup(2) and the events in them.
func TestAIO(t *testing.T) {
	for _, part := range []string{"rings", "many", "unmapped"} {
		runCase(t, Case{Name: part, Source: "aio", Args: []string{part}})
	}
	// What a process inherits is restored as plain memory.
	runCase(t, Case{Name: "inherited", Source: "aio", Args: []string{"inherited"}, Ignore: []string{"maps"}, CRIUCannot: "it gives the child a context of its own"})
	runCase(t, Case{Name: "poll", Source: "aio", Args: []string{"poll"}, CRIUCannot: "it loses the request",
		Refused: []string{"AIO context", "1 requests in flight that wait for an event (IOCB_CMD_POLL)", "cancel"}})
	for how, words := range map[string]string{"protected": "other permissions", "cut": "not the whole ring", "overwritten": "beginning was overwritten"} {
		runCase(t, Case{Name: how, Source: "aio", Args: []string{how}, CRIUCannot: "its restore fails", Refused: []string{"VMA", "/[aio]", words}})
	}
}

// TestAIOInFlight: the freeze waits for what ends by itself, and nothing is lost or told twice.
func TestAIOInFlight(t *testing.T) {
	runCase(t, Case{Name: "busy", Source: "aio", Args: []string{"busy"}, CRIUCannot: "it loses requests in flight"})
	t.Run("again and again", func(t *testing.T) {
		needFastcr(t)
		r := newRun(t, Case{Source: "aio", Args: []string{"busy"}})
		r.start()
		waited := 0
		for range 20 {
			r.dump("-R")
			if log, _ := os.ReadFile(r.log); strings.Contains(string(log), "until AIO requests in flight had ended") {
				waited++
			}
		}
		r.verdict("live")
		var fs unix.Statfs_t
		if err := unix.Statfs(r.dir, &fs); err != nil {
			t.Fatal(err)
		}
		if waited == 0 && fs.Type != unix.TMPFS_MAGIC { // there nothing is in flight
			t.Error("nothing was in flight in any of 20 freezes")
		}
		t.Logf("%d of 20 freezes waited", waited)
	})
}

// TestAIOThatStays: what does not end is refused, before the freeze if it can be seen there.
func TestAIOThatStays(t *testing.T) {
	needFastcr(t)
	for name, c := range map[string]struct {
		part  string
		delay time.Duration
		words string
	}{
		"for ever":           {"file", 0, "none of which ended within 250ms"},
		"while it is frozen": {"slow", 20 * time.Millisecond, "did not end while it was frozen"},
	} {
		t.Run(name, func(t *testing.T) {
			var r *Run
			server := serveFile(t, c.delay, func() bool { return isFrozen(r.pid) })
			r = newRun(t, Case{Source: "aio", Args: []string{c.part, filepath.Join(server.dir, "file")},
				Refused: []string{"AIO context", "requests in flight", c.words, "wait until they have ended"}})
			r.start()
			r.dumpRefused()
			server.answer()
			r.verdict("live")
		})
	}
}

// isFrozen tells whether a process is in a frozen cgroup.
func isFrozen(pid int) bool {
	return slices.ContainsFunc(frozenCgroups(), func(dir string) bool {
		procs, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		return slices.Contains(strings.Fields(string(procs)), strconv.Itoa(pid))
	})
}
