package servers

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
)

// item is filled with the text of a number.
func item(n, size int) []byte {
	text := fmt.Sprintf("%d:%d\n", n, value(uint64(n)))
	return bytes.Repeat([]byte(text), size/len(text)+1)[:size]
}

// Serve is a Go HTTP server with a heap of mib MiB: each item is an allocation of its own.
func Serve(ctx context.Context, port, items, mib int) error {
	heap := make([][]byte, items)
	for n := range heap {
		heap[n] = item(n, max(mib<<20/items, 32))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /item/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("n"))
		if err != nil || n < 0 || n >= items {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(heap[n][:32])
	})
	mux.HandleFunc("GET /check", func(w http.ResponseWriter, _ *http.Request) {
		for n := range heap {
			if !bytes.Equal(heap[n], item(n, len(heap[n]))) {
				http.Error(w, fmt.Sprintf("item %d", n), http.StatusInternalServerError)
				return
			}
		}
		fmt.Fprint(w, "right")
	})
	// CRIU knows no multipath TCP, which Go's listeners are by themselves.
	var c net.ListenConfig
	c.SetMultipathTCP(false)
	l, err := c.Listen(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	return http.Serve(l, mux)
}
