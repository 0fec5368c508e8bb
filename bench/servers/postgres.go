package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr/bench/openloop"
)

// postgresServer is asked as pgbench does: an account, a teller and a branch are changed in a
// transaction. What was committed is counted on both sides.
var postgresServer = &Server{
	Name: "postgres", Rate: 300, Clients: 4, MiB: 64, programs: []string{"postgres", "initdb"},
	command: postgresCommand, fill: fillPostgres, client: newPostgresClient, check: checkPostgres, clear: clearPostgres,
}

const postgresAccounts = 100000

// postgresCommand makes a cluster, for a user that is not root.
func postgresCommand(i *Instance) (*exec.Cmd, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	as := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	if err := os.Chown(i.Dir, uid, gid); err != nil {
		return nil, err
	}
	initdb, err := lookPath("initdb")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(i.Dir, "data")
	cmd := exec.Command(initdb, "-D", data, "-U", "bench", "-A", "trust", "-N")
	cmd.SysProcAttr, cmd.Dir = as, i.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	postgres, err := lookPath("postgres")
	if err != nil {
		return nil, err
	}
	cmd = exec.Command(postgres, "-D", data, "-p", strconv.Itoa(i.Port), "-k", "", "-c", "listen_addresses=127.0.0.1",
		"-c", "shared_buffers=64MB", "-c", "autovacuum=off")
	cmd.SysProcAttr = as
	return cmd, nil
}

// clearPostgres removes the System V shared memory of a postmaster that was killed: its number is the
// last word of the seventh line of postmaster.pid.
func clearPostgres(i *Instance) {
	b, _ := os.ReadFile(filepath.Join(i.Dir, "data", "postmaster.pid"))
	lines := strings.Split(string(b), "\n")
	if len(lines) < 7 {
		return
	}
	if words := strings.Fields(lines[6]); len(words) == 2 {
		if id, err := strconv.Atoi(words[1]); err == nil {
			_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
		}
	}
}

func (i *Instance) pgConnect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("postgres://bench@127.0.0.1:%d/postgres?sslmode=disable", i.Port))
}

func fillPostgres(ctx context.Context, i *Instance) error {
	i.own = new(atomic.Int64)
	c, err := i.pgConnect(ctx)
	for at := time.Now(); err != nil && time.Since(at) < startPatience && ctx.Err() == nil; { // it takes connections before it can serve them
		time.Sleep(20 * time.Millisecond)
		c, err = i.pgConnect(ctx)
	}
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for _, q := range []string{
		"CREATE TABLE accounts (id int PRIMARY KEY, balance int, filler char(84))",
		"CREATE TABLE tellers (id int PRIMARY KEY, balance int)", "CREATE TABLE branches (id int PRIMARY KEY, balance int)",
		fmt.Sprintf("INSERT INTO accounts SELECT n, 0, '' FROM generate_series(0, %d) n", postgresAccounts-1),
		"INSERT INTO tellers SELECT n, 0 FROM generate_series(0, 99) n", "INSERT INTO branches SELECT n, 0 FROM generate_series(0, 9) n",
	} {
		if _, err := c.Exec(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}

type postgresClient struct {
	c         *pgx.Conn
	committed *atomic.Int64
	n         uint64
}

func newPostgresClient(i *Instance, worker int) (openloop.Client, error) {
	c, err := i.pgConnect(context.Background())
	return &postgresClient{c: c, committed: i.own.(*atomic.Int64), n: uint64(worker) << 32}, err
}

func (p *postgresClient) Do(ctx context.Context) error {
	p.n++
	n := int64(value(p.n))
	err := pgx.BeginFunc(ctx, p.c, func(tx pgx.Tx) error {
		for _, q := range []struct {
			table string
			rows  int64
		}{{"accounts", postgresAccounts}, {"tellers", 100}, {"branches", 10}} {
			if _, err := tx.Exec(ctx, "UPDATE "+q.table+" SET balance = balance + 1 WHERE id = $1", n%q.rows); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		p.committed.Add(1)
	}
	return err
}

func (p *postgresClient) Close() error { return p.c.Close(context.Background()) }

// checkPostgres compares the sums with what was committed.
func checkPostgres(ctx context.Context, i *Instance) error {
	c, err := i.pgConnect(ctx)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	want := i.own.(*atomic.Int64).Load()
	for _, table := range []string{"accounts", "tellers", "branches"} {
		var sum int64
		if err := c.QueryRow(ctx, "SELECT sum(balance) FROM "+table).Scan(&sum); err != nil || sum != want {
			return fmt.Errorf("%s add up to %d, %d were committed: %w", table, sum, want, orWrong(err))
		}
	}
	return nil
}
