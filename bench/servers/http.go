package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/fastcr/fastcr/bench/openloop"
)

// errWrong says that a server has answered, but not what it should.
var errWrong = errors.New("wrong answer")

func orWrong(err error) error {
	if err == nil {
		return errWrong
	}
	return err
}

// httpItems is how many numbers an HTTP server has: /item/N begins with "N:VALUE\n". Ours hold
// each as an object that is filled with that text.
const httpItems = 1 << 14

type httpClient struct {
	c    *http.Client
	base string
	n    uint64
}

func newHTTPClient(i *Instance, worker int) (openloop.Client, error) {
	t := &http.Transport{MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1}
	return &httpClient{c: &http.Client{Transport: t, Timeout: time.Minute}, base: "http://" + i.Address(), n: uint64(worker) << 32}, nil
}

func (h *httpClient) Do(ctx context.Context) error {
	h.n++
	n := uint64(value(h.n)) % httpItems
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/item/%d", h.base, n), nil)
	if err != nil {
		return err
	}
	resp, err := h.c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if want := fmt.Sprintf("%d:%d\n", n, value(n)); err != nil || len(body) < len(want) || string(body[:len(want)]) != want {
		return fmt.Errorf("item %d is %.40q, status %d: %w", n, body, resp.StatusCode, orWrong(err))
	}
	return nil
}

// checkHTTP has a server of our own compare all of its memory with what it put there: /check
// answers "right".
func checkHTTP(ctx context.Context, i *Instance) error {
	body, err := get(ctx, i, "/check")
	if err == nil && body != "right" {
		err = fmt.Errorf("its memory is not as it was: %q", body)
	}
	return err
}

// checkFiles fetches every item.
func checkFiles(ctx context.Context, i *Instance) error {
	for n := range uint64(httpItems) {
		body, err := get(ctx, i, fmt.Sprintf("/item/%d", n))
		if err != nil || body != fmt.Sprintf("%d:%d\n", n, value(n)) {
			return fmt.Errorf("item %d is %.40q: %w", n, body, orWrong(err))
		}
	}
	return nil
}

// get fetches over a connection that is not one of the load's.
func get(ctx context.Context, i *Instance, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.Address()+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func (h *httpClient) Close() error { h.c.CloseIdleConnections(); return nil }
