package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestPlaceOfImages(t *testing.T) {
	p := places{tmpfs: "/tmpfs"}
	defer func() { _ = os.RemoveAll(p.disk) }()
	free := FreeMemory() >> 20
	sized := func(mib uint64) *Workload {
		w := point("memory", "MiB", float64(mib), fmt.Sprintf("mib=%d", mib))
		return &w
	}
	if got, err := p.of(sized(4)); err != nil || got.dir != "/tmpfs" || got.synced || got.unusual != "" {
		t.Errorf("4 MiB: %+v, %v", got, err)
	}
	// Twice that does not fit. There may be no disk that it fits on.
	got, err := p.of(sized(free / 10 * 6))
	var refused *refusedError
	if err == nil && (got.dir != p.disk || !got.synced || got.unusual == "") || err != nil && !errors.As(err, &refused) {
		t.Errorf("%d MiB of %d: %+v, %v", free/10*6, free, got, err)
	}
	if _, err := p.of(sized(2 * free)); !errors.As(err, &refused) {
		t.Errorf("twice of what is free: %v", err)
	}
	asked := places{asked: t.TempDir()}
	if err := asked.open(); err != nil {
		t.Fatal(err)
	}
	if got, err := asked.of(sized(2 * free)); err != nil || got.dir != asked.disk || !got.synced {
		t.Errorf("asked for: %+v, %v", got, err)
	}
	asked.close()
	if _, err := os.Stat(asked.disk); !os.IsNotExist(err) {
		t.Errorf("the directory of images is left: %v", err)
	}
}

func TestPlaceIsFreshAndSynced(t *testing.T) {
	p := place{dir: t.TempDir(), synced: true}
	for range 2 {
		dir, err := p.fresh()
		if err != nil {
			t.Fatal(err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("it holds %v", left)
		}
		if err := os.MkdirAll(filepath.Join(dir, preDir), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a.img", preDir + "/b.img"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if took, err := p.sync(); err != nil || took <= 0 {
			t.Errorf("sync: %v µs, %v", took, err)
		}
	}
	p.clear()
	if took, err := (&place{dir: p.dir}).sync(); took != 0 || err != nil {
		t.Errorf("nothing to sync: %v µs, %v", took, err)
	}
}
