package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestMappings(t *testing.T) {
	runCase(t, Case{Name: "every kind", Source: "memory"})
	runCase(t, Case{Name: "shared, interleaved", Source: "interleaved"})
	runCase(t, Case{Name: "20,000 of them", Source: "vmas"})
	runCase(t, Case{Name: "copy on write", Source: "cow"})
	runCase(t, Case{Name: "memfd", Source: "memfd"})
}

// What criu restored, with its memfds and in its time namespace, is dumped again.
func TestSecondGeneration(t *testing.T) {
	for _, source := range []string{"memory", "interleaved", "memfd", "hugetlb", "timers", "sysv"} {
		t.Run(source, func(t *testing.T) {
			c := Case{Source: source}
			if source == "sysv" {
				needFastcr(t)
				c.Cleanup = removeIPC
			}
			if source == "hugetlb" {
				c.Setup = lendHugePages
			}
			r := newRun(t, c)
			r.start()
			for range 2 {
				r.dumpAndKill()
				r.restore()
			}
			r.dumpRunning()
			r.verdict("restored")
		})
	}
}

func TestAdvice(t *testing.T) {
	runCase(t, Case{Name: "flags, guards, huge pages", Source: "advice"})
}

func TestBigMemory(t *testing.T) {
	mib := "1024"
	if availableMiB(t) < 6*1024 {
		mib = "256"
	}
	runCase(t, Case{Name: mib + " MiB", Source: "big", Args: []string{mib}})
}

func availableMiB(t *testing.T) int {
	kib, err := strconv.Atoi(strings.TrimSuffix(keyed("/proc/meminfo")["MemAvailable"], " kB"))
	if err != nil {
		t.Fatal(err)
	}
	return kib / 1024
}

func TestHugetlb(t *testing.T) {
	runCase(t, Case{Name: "2 MiB pages", Source: "hugetlb", Setup: lendHugePages})
}

// lendHugePages has the kernel set 2 MiB pages aside until the test ends.
func lendHugePages(t *testing.T, _ *Run) {
	const setting, more = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", 32
	without := t.Skipf
	if os.Getenv("CI") == "true" {
		without = t.Fatalf
	}
	pages := func() int {
		text, err := os.ReadFile(setting)
		if err != nil {
			without("this kernel has no 2 MiB pages: %v", err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	was := pages()
	t.Cleanup(func() { // runs before the programs are killed: the pages go as they are freed
		_ = os.WriteFile(setting, fmt.Append(nil, was), 0o644)
	})
	if err := os.WriteFile(setting, fmt.Append(nil, was+more), 0o644); err != nil {
		without("no 2 MiB pages: %v", err)
	}
	if got := pages(); got < was+more {
		without("of %d more 2 MiB pages the kernel found %d: its memory is too full or fragmented", more, got-was)
	}
}

func TestSwap(t *testing.T) {
	if !exists("/proc/swaps") {
		t.Skip("this kernel has no swap")
	}
	runCase(t, Case{Name: "private and shared", Source: "swap", Setup: func(t *testing.T, r *Run) {
		// Its own small area: what the machine may have besides is not our business.
		file := filepath.Join(filepath.Dir(r.work), "swap")
		for _, cmd := range []string{"dd if=/dev/zero bs=1M count=32 of=" + file, "chmod 600 " + file, "mkswap " + file, "swapon " + file} {
			if out, err := exec.Command("sh", "-c", cmd).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", cmd, err, out)
			}
		}
		t.Cleanup(func() {
			killAll()
			var err error = errors.New("not tried")
			if !eventually(10*time.Second, func() bool { err = exec.Command("swapoff", file).Run(); return err == nil }) {
				t.Errorf("swapoff %s: %v", file, err)
			}
		})
	}})
}
