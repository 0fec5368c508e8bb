package fastcr

import "testing"

func TestSocketString(t *testing.T) {
	for _, tt := range []struct {
		s    Socket
		want string
	}{
		{Socket{Family: 16, Type: 3}, "netlink socket, type 3, protocol 0"},
		{Socket{Family: 99, Type: 2}, "family 99 socket, type 2, protocol 0"},
	} {
		if got := tt.s.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
