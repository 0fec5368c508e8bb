package loader

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/fastcr/fastcr"
)

// gateVMA is the vsyscall page, which every process of this kernel has, but
// none in its list of mappings: it is the last of our own /proc/self/maps.
// Start is 0 when the kernel has none.
var gateVMA = sync.OnceValue(func() fastcr.VMA {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return fastcr.VMA{}
	}
	return parseGate(string(maps))
})

func parseGate(maps string) (v fastcr.VMA) {
	for line := range strings.Lines(maps) {
		if !strings.HasSuffix(line, "[vsyscall]\n") {
			continue
		}
		var perms string
		if n, _ := fmt.Sscanf(line, "%x-%x %4s", &v.Start, &v.End, &perms); n != 3 {
			return fastcr.VMA{}
		}
		v.Kind, v.Name = fastcr.VMAVsyscall, "[vsyscall]"
		if perms[0] == 'r' {
			v.Flags |= fastcr.VMRead
		}
		if perms[2] == 'x' {
			v.Flags |= fastcr.VMExec
		}
	}
	return v
}

// addGates ends every 64-bit process's list of mappings with the gate page.
func (b *builder) addGates() {
	for _, p := range b.order {
		if n := len(p.VMAs); n == 0 || len(p.Threads) > 0 && p.Threads[0].Mode32 {
			continue
		}
		if v := gateVMA(); v.Start != 0 {
			p.VMAs = append(p.VMAs, v)
		}
	}
}
