package bench

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// ReadDumpers reads the description of dumpers that the suite does not know (bench/README.md has all fields):
//
//	[[dumper]]
//	name    = "mine"
//	dump    = ["mine", "checkpoint", "--leave-running", "{pid}", "{dir}"]
//	kill    = ["mine", "checkpoint", "{pid}", "{dir}"]
//	restore = ["mine", "restore", "{dir}"]
//	frozen  = "json:freeze_us"
func ReadDumpers(path string) ([]Dumper, error) {
	var file struct {
		Dumper []Dumper `toml:"dumper"`
	}
	meta, err := toml.DecodeFile(path, &file)
	if err != nil {
		return nil, fmt.Errorf("dumpers of %s: %w", path, err)
	}
	if left := meta.Undecoded(); len(left) > 0 {
		return nil, fmt.Errorf("dumpers of %s: %s is not known", path, left[0])
	}
	for i := range file.Dumper {
		d := &file.Dumper[i]
		if d.Name == "" || len(d.Dump) == 0 {
			return nil, fmt.Errorf("dumpers of %s: a dumper needs a name and a dump command", path)
		}
		if _, isJSON := strings.CutPrefix(d.Frozen, "json:"); d.Frozen != "" && d.Frozen != "criu" && !isJSON {
			return nil, fmt.Errorf("dumpers of %s: frozen of %s is %q: it is criu or json:FIELD", path, d.Name, d.Frozen)
		}
		if _, err := exec.LookPath(d.Dump[0]); err != nil {
			d.Impossible = fmt.Sprintf("%s: %s was not found", notPossible, d.Dump[0])
		}
	}
	if len(file.Dumper) == 0 {
		return nil, fmt.Errorf("dumpers of %s: %w", path, errors.New("there is no [[dumper]]"))
	}
	return file.Dumper, nil
}

// ChooseDumpers picks dumpers by name; without names, all.
func ChooseDumpers(all []Dumper, names []string) ([]Dumper, error) {
	if len(names) == 0 {
		return all, nil
	}
	var out []Dumper
	for _, n := range names {
		i := slices.IndexFunc(all, func(d Dumper) bool { return d.Name == n })
		if i < 0 {
			return nil, fmt.Errorf("no dumper is called %q: --list shows them", n)
		}
		d := all[i]
		d.Sweeps = nil // whatever is measured
		out = append(out, d)
	}
	return out, nil
}
