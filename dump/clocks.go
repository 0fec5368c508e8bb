package dump

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/fastcr/fastcr"
)

// clockOffsets are what the clocks of a time namespace are ahead of the machine's
// (/proc/PID/timens_offsets).
type clockOffsets struct{ monotonic, boottime time.Duration }

// readClockOffsets reads what the tree's clocks are ahead of fastcr's: criu's restore puts
// every tree into a time namespace of its own, in which the clocks go on from the dump.
func readClockOffsets(root *fastcr.Process, own fastcr.Namespaces) (ahead clockOffsets, err error) {
	if root.Namespaces.Time == own.Time {
		return ahead, nil
	}
	theirs, err := clockOffsetsOf(fmt.Sprint(root.PID))
	if err != nil {
		return ahead, err
	}
	ours, err := clockOffsetsOf("self")
	return clockOffsets{theirs.monotonic - ours.monotonic, theirs.boottime - ours.boottime}, err
}

func clockOffsetsOf(pid string) (o clockOffsets, err error) {
	name := "/proc/" + pid + "/timens_offsets"
	text, err := os.ReadFile(name)
	if err != nil {
		return o, err
	}
	if o, err = parseClockOffsets(string(text)); err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return o, err
}

// parseClockOffsets reads lines of a clock's name, seconds, which may be negative, and nanoseconds.
func parseClockOffsets(text string) (o clockOffsets, err error) {
	for line := range strings.Lines(text) {
		var name string
		var sec, nsec int64
		if _, err := fmt.Sscan(line, &name, &sec, &nsec); err != nil {
			return o, fmt.Errorf("line %q: %w", line, err)
		}
		switch ahead := time.Duration(sec)*time.Second + time.Duration(nsec); name {
		case "monotonic":
			o.monotonic = ahead
		case "boottime":
			o.boottime = ahead
		}
	}
	return o, nil
}
