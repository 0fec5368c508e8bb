package objects

import "testing"

func TestInterfaceName(t *testing.T) {
	if name, err := InterfaceName(1); name != "lo" || err != nil {
		t.Errorf("interface 1 is %q: %v", name, err)
	}
	if name, err := InterfaceName(1 << 30); err == nil {
		t.Errorf("an interface that does not exist is %q", name)
	}
}
