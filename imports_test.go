package fastcr

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fastcr/fastcr"

// layers lists what each package may import of this module; docs/architecture.md draws it.
var layers = map[string][]string{
	"":           {},
	"freeze":     {""},
	"memory":     {""},
	"objects":    {""},
	"images":     {"", "images/pb", "memory", "xstate"},
	"loader":     {"", "xstate"},
	"netlock":    {"", "loader"},
	"restore":    {"", "images"},
	"check":      {"", "freeze", "memory", "restore"},
	"dump":       {"", "freeze", "memory", "objects", "images", "loader", "netlock", "seccomp"},
	"bench":      {"bench/openloop", "bench/servers", "images"},
	"cmd/fastcr": {"", "dump", "restore", "check", "freeze", "loader", "netlock"},
	"tests":      {"", "dump", "restore", "images", "freeze", "bench/servers"},

	"images/pb":                {},
	"images/pb/gen":            {},
	"bench/openloop":           {},
	"bench/servers":            {"bench/openloop"},
	"cmd/fastcr-bench":         {"bench", "bench/servers", "restore"},
	"tests/targets/goroutines": {},
	"xstate":                   {},
	"seccomp":                  {},
}

// only lists the packages that may import a library directly.
var only = map[string][]string{
	"github.com/cilium/ebpf":           {"loader"},
	"google.golang.org/protobuf":       {"images/pb/gen"}, // in no program: see images/pb
	"github.com/aperturerobotics":      {"images/pb"},
	"github.com/google/nftables":       {"netlock"},
	"github.com/mdlayher":              {"netlock"},
	"github.com/spf13/pflag":           {"cmd/fastcr", "cmd/fastcr-bench"},
	"github.com/checkpoint-restore/go": {"images/pb/gen", "restore"},
}

func TestImportsGoOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	packages := 0
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages++
		checkPackage(t, short(p.ImportPath), p.Imports)
	}
	if packages < 5 {
		t.Fatalf("go list found %d packages", packages)
	}
}

func checkPackage(t *testing.T, name string, imports []string) {
	allowed, known := layers[name]
	if !known {
		t.Errorf("package %q has no layer: add it here and to docs/architecture.md", name)
		return
	}
	for _, imp := range imports {
		if imp == module || strings.HasPrefix(imp, module+"/") {
			if !slices.Contains(allowed, short(imp)) {
				t.Errorf("package %q imports %s", name, imp)
			}
			continue
		}
		for lib, who := range only {
			if strings.HasPrefix(imp, lib) && !slices.Contains(who, name) {
				t.Errorf("package %q imports %s, which is for %v", name, imp, who)
			}
		}
	}
}

func short(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
}
