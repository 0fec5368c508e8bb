package check

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func find(t *testing.T, all []Feature, name string) Feature {
	t.Helper()
	for _, f := range all {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no %s among %+v", name, all)
	return Feature{}
}

func lock() (string, error) { return "BPF", nil }

func TestNoPacketLock(t *testing.T) {
	f := packetLock(Probes{PacketLock: func() (string, error) { return "", unix.EPERM }})
	if f.OK || f.Needed || !strings.Contains(f.Detail, "permitted") || !strings.Contains(f.Follows, "--tcp-established") {
		t.Errorf("%+v", f)
	}
}

func TestEveryFindingSaysSomething(t *testing.T) {
	all := Run(context.Background(), Probes{Iterators: func() error { return nil }, PacketLock: lock})
	seen := map[string]bool{}
	for _, f := range all {
		if f.Name == "" || f.Detail == "" || seen[f.Name] {
			t.Errorf("%+v", f)
		}
		if f.OK == (f.Follows != "") {
			t.Errorf("%s: ok is %v, and %q follows", f.Name, f.OK, f.Follows)
		}
		seen[f.Name] = true
	}
	for _, name := range []string{"kernel", "BTF", "iterators", "freezer", "capabilities", "pagemap scan", "userfaultfd", "packet lock", "pidfd_getfd", "criu"} {
		if !seen[name] {
			t.Errorf("no word about %s", name)
		}
	}
}

func TestIteratorsThatDoNotLoad(t *testing.T) {
	all := Run(context.Background(), Probes{Iterators: func() error { return errors.New("verifier: no") }, PacketLock: lock})
	f := find(t, all, "iterators")
	if f.OK || !f.Needed || f.Detail != "verifier: no" || !strings.Contains(f.Follows, "no dump") {
		t.Errorf("%+v", f)
	}
}

func TestCriuVersions(t *testing.T) {
	for version, ok := range map[string]bool{"4.2.1": true, "4.1": true, "3.17.1": false} {
		path := filepath.Join(t.TempDir(), "criu")
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho Version: "+version+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("FASTCR_CRIU", path)
		f := criu(context.Background())
		if f.OK != ok || f.Needed || !strings.Contains(f.Detail, path) || !strings.Contains(f.Detail, version) {
			t.Errorf("%s: %+v", version, f)
		}
	}
}

// TestMissingCapabilitiesAreNamed drops two on a thread that then ends.
func TestMissingCapabilitiesAreNamed(t *testing.T) {
	result := make(chan Feature)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this function
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&hdr, &data[0]); err != nil {
			t.Error(err)
		}
		data[0].Effective &^= 1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_SYS_RESOURCE
		data[1].Effective &^= 1 << (unix.CAP_BPF - 32)
		if err := unix.Capset(&hdr, &data[0]); err != nil {
			t.Error(err)
		}
		result <- capabilities()
	}()
	f := <-result
	if f.OK || !f.Needed || !strings.Contains(f.Detail, "CAP_SYS_PTRACE") || !strings.Contains(f.Detail, "CAP_BPF") || !strings.Contains(f.Follows, "root") {
		t.Errorf("%+v", f)
	}
}

func TestJSONNames(t *testing.T) {
	b, err := json.Marshal(verdict("x", errors.New("why"), "good", "what follows", true))
	if want := `{"name":"x","ok":false,"needed":true,"detail":"why","follows":"what follows"}`; err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
}

// TestRunChangesNothing: no descriptor is left open.
func TestRunChangesNothing(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	probes := Probes{Iterators: func() error { return nil }, PacketLock: lock}
	Run(context.Background(), probes) // the runtime's own descriptors are there after the first
	before := count()
	Run(context.Background(), probes)
	if after := count(); after != before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
}
