package servers

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/fastcr/fastcr/bench/openloop"
)

// memcachedServer is asked like redisServer.
var memcachedServer = &Server{
	Name: "memcached", Rate: 10000, Clients: 8, MiB: 256, programs: []string{"memcached"},
	command: func(i *Instance) (*exec.Cmd, error) {
		path, err := lookPath("memcached")
		if err != nil {
			return nil, err
		}
		return exec.Command(path, "-l", "127.0.0.1", "-p", strconv.Itoa(i.Port), "-U", "0", "-u", "root", "-t", "4",
			"-m", strconv.Itoa(2*i.MiB)), nil
	},
	fill: fillMemcached, check: checkMemcached,
	client: func(i *Instance, worker int) (openloop.Client, error) {
		c := memcache.New(i.Address())
		c.Timeout, c.MaxIdleConns = time.Minute, 1
		m := &memcachedClient{c: c, counter: fmt.Sprintf("count:%d", worker), keys: uint64(i.MiB) << 10, n: uint64(worker) << 32}
		return m, c.Set(&memcache.Item{Key: m.counter, Value: []byte("0")})
	},
}

// fillMemcached asks over several connections: each item is a round trip.
func fillMemcached(_ context.Context, i *Instance) error {
	const writers = 4
	c := memcache.New(i.Address())
	c.Timeout, c.MaxIdleConns = time.Minute, writers
	defer c.Close()
	errs := make(chan error, writers)
	for w := range uint64(writers) {
		go func() {
			for n := w; n < uint64(i.MiB)<<10; n += writers {
				if err := c.Set(&memcache.Item{Key: strconv.FormatUint(n, 10), Value: []byte(redisText(n))}); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var err error
	for range writers {
		err = errors.Join(err, <-errs)
	}
	return err
}

// checkMemcached reads every item.
func checkMemcached(_ context.Context, i *Instance) error {
	c := memcache.New(i.Address())
	c.Timeout = time.Minute
	defer c.Close()
	const batch = 256
	for n := 0; n < i.MiB<<10; n += batch {
		var keys []string
		for k := n; k < n+batch; k++ {
			keys = append(keys, strconv.Itoa(k))
		}
		got, err := c.GetMulti(keys)
		if err != nil {
			return err
		}
		for k, key := range keys {
			if item := got[key]; item == nil || string(item.Value) != redisText(uint64(n+k)) {
				return fmt.Errorf("key %s is gone or not as it was: %w", key, errWrong)
			}
		}
	}
	return nil
}

type memcachedClient struct {
	c       *memcache.Client
	counter string
	counted uint64
	keys, n uint64
}

func (m *memcachedClient) Do(context.Context) error {
	m.n++
	key := uint64(value(m.n)) % m.keys
	name := strconv.FormatUint(key, 10)
	switch m.n % 10 {
	case 0:
		m.counted++
		if got, err := m.c.Increment(m.counter, 1); err != nil || got != m.counted {
			return fmt.Errorf("%s is %d, not %d: %w", m.counter, got, m.counted, orWrong(err))
		}
	case 1:
		return m.c.Set(&memcache.Item{Key: name, Value: []byte(redisText(key))})
	default:
		got, err := m.c.Get(name)
		if err != nil || string(got.Value) != redisText(key) {
			return fmt.Errorf("key %s: %w", name, orWrong(err))
		}
	}
	return nil
}

func (m *memcachedClient) Close() error { return m.c.Close() }
