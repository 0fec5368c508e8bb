package servers

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fastcr/fastcr/bench/openloop"
)

// redisServer holds 1 KiB values; of its requests a tenth writes, and each client counts a
// number of its own up: a lost or repeated answer shows.
var redisServer = &Server{
	Name: "redis", Rate: 20000, Clients: 16, MiB: 1024, programs: []string{"redis-server"},
	command: func(i *Instance) (*exec.Cmd, error) {
		path, err := lookPath("redis-server")
		if err != nil {
			return nil, err
		}
		return exec.Command(path, "--bind", "127.0.0.1", "--port", strconv.Itoa(i.Port), "--save", "", "--appendonly", "no", "--dir", i.Dir), nil
	},
	fill:   fillRedis,
	client: newRedisClient,
	check:  checkRedis,
}

func redisText(n uint64) string { return strings.Repeat(fmt.Sprintf("%08x", value(n)), 128) }

func fillRedis(ctx context.Context, i *Instance) error {
	c := redis.NewClient(&redis.Options{Addr: i.Address()})
	defer c.Close()
	const batch = 1000
	for n := 0; n < i.MiB<<10; n += batch {
		p := c.Pipeline()
		for k := n; k < n+batch; k++ {
			p.Set(ctx, strconv.Itoa(k), redisText(uint64(k)), 0)
		}
		if _, err := p.Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// checkRedis reads every key.
func checkRedis(ctx context.Context, i *Instance) error {
	c := redis.NewClient(&redis.Options{Addr: i.Address()})
	defer c.Close()
	const batch = 1000
	for n := 0; n < i.MiB<<10; n += batch {
		var keys []string
		for k := n; k < min(n+batch, i.MiB<<10); k++ {
			keys = append(keys, strconv.Itoa(k))
		}
		got, err := c.MGet(ctx, keys...).Result()
		if err != nil {
			return err
		}
		for k, v := range got {
			if v != redisText(uint64(n+k)) {
				return fmt.Errorf("key %d is %.20v: %w", n+k, v, errWrong)
			}
		}
	}
	return nil
}

type redisClient struct {
	c       *redis.Client
	counter string
	counted int64
	keys    uint64
	n       uint64
}

func newRedisClient(i *Instance, worker int) (openloop.Client, error) {
	c := redis.NewClient(&redis.Options{
		Addr: i.Address(), PoolSize: 1, MaxRetries: -1, ReadTimeout: time.Minute, WriteTimeout: time.Minute, PoolTimeout: time.Minute,
		ConnMaxIdleTime: -1,
	})
	return &redisClient{c: c, counter: fmt.Sprintf("count:%d", worker), keys: uint64(i.MiB) << 10, n: uint64(worker) << 32}, nil
}

func (r *redisClient) Do(ctx context.Context) error {
	r.n++
	key := uint64(value(r.n)) % r.keys
	name := strconv.FormatUint(key, 10)
	switch r.n % 10 {
	case 0:
		r.counted++
		if got, err := r.c.Incr(ctx, r.counter).Result(); err != nil || got != r.counted {
			return fmt.Errorf("%s is %d, not %d: %w", r.counter, got, r.counted, orWrong(err))
		}
	case 1:
		return r.c.Set(ctx, name, redisText(key), 0).Err()
	default:
		if got, err := r.c.Get(ctx, name).Result(); err != nil || got != redisText(key) {
			return fmt.Errorf("key %s is %.20q: %w", name, got, orWrong(err))
		}
	}
	return nil
}

func (r *redisClient) Close() error { return r.c.Close() }
