package freeze

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Two dumps that look at one cgroup at the same time would take each other's
// tasks, or thaw what the other has frozen. So each locks (flock) the
// directories of the cgroups that it moves tasks from until they are moved, and
// one that it freezes as it is until it is released.

// lockCgroup waits until no other fastcr has the cgroup at dir.
func lockCgroup(ctx context.Context, dir string, deadline time.Time) (fd int, err error) {
	if fd, err = openAt(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY); err != nil {
		return -1, err
	}
	for {
		switch err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil:
			return fd, nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			err = fmt.Errorf("lock cgroup %s: %w", dir, err)
		case ctx.Err() != nil:
			err = ctx.Err()
		case time.Now().After(deadline):
			err = ErrHeld
		default:
			time.Sleep(time.Millisecond)
			continue
		}
		unix.Close(fd)
		return -1, err
	}
}
