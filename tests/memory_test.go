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
	c := Case{Name: "memfd", Source: "memfd"}
	if tools.dumper == "fastcr" {
		c.Refused = []string{"memfd", "some name"}
	}
	runCase(t, c)
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
	const setting = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
	if !exists(setting) {
		t.Skip("this kernel has no 2 MiB huge pages")
	}
	c := Case{Name: "2 MiB pages", Source: "hugetlb", Setup: func(t *testing.T, _ *Run) {
		was, err := os.ReadFile(setting)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(strings.TrimSpace(string(was)))
		if err := os.WriteFile(setting, fmt.Append(nil, n+16), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { // runs before the programs are killed: the pages go as they are freed
			_ = os.WriteFile(setting, was, 0o644)
		})
	}}
	if tools.dumper == "fastcr" {
		c.Refused = []string{"huge pages", "hugetlb"}
	}
	runCase(t, c)
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
