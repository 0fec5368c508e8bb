package servers

import (
	"strings"
	"testing"
)

// TestALibraryThatIsNotHere is missed as a program is.
func TestALibraryThatIsNotHere(t *testing.T) {
	for command, missing := range map[string]bool{"true": false, "false": true, "/nowhere/python3": true} {
		s := Server{library: []string{command, "-c", "import numpy"}}
		if why := s.Missing(); (why != "") != missing || missing && !strings.Contains(why, command+" -c import numpy") {
			t.Errorf("%s: %q", command, why)
		}
	}
}
