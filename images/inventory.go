package images

import (
	"fmt"
	"github.com/fastcr/fastcr/images/pb"

	"golang.org/x/sys/unix"
)

// imagesVersion is CRTOOLS_IMAGES_V1_1: images begin with the common magic.
const imagesVersion = 2

// writeInventory writes what criu reads first.
func (e *Encoder) writeInventory(d *Dir) error {
	w := newImage(magicInventory)
	if err := w.message(&pb.InventoryEntry{
		ImgVersion:        u32(imagesVersion),
		FdinfoPerId:       boolean(true),
		NsPerId:           boolean(true),
		RootIds:           kobjIDs(1, 1, 1, 1),
		RootCgSet:         u32(ownCgroupSet),
		Lsmtype:           pb.Lsmtype_NO_LSM.Enum(),
		NetworkLockMethod: u32(e.opts.NetworkLock),
		PluginsEntry:      &pb.PluginsEntry{},
		DumpCriuRunId:     str(e.opts.RunID),
	}); err != nil {
		return err
	}
	return d.put("inventory.img", w)
}

// writePstree writes the tree: parents before children, threads of each.
func (e *Encoder) writePstree(d *Dir) error {
	inTree := map[int]bool{}
	for _, p := range e.tree.Processes {
		inTree[p.PID] = true
	}
	w := newImage(magicPstree)
	for _, p := range e.tree.Processes {
		ppid := p.PPID
		if !inTree[ppid] {
			ppid = 0
		}
		entry := &pb.PstreeEntry{Pid: u32(p.PID), Ppid: u32(ppid), Pgid: u32(p.PGID), Sid: u32(p.SID)}
		for _, t := range p.Threads {
			entry.Threads = append(entry.Threads, uint32(t.TID))
		}
		if len(entry.Threads) == 0 {
			entry.Threads = []uint32{uint32(p.PID)}
		}
		if err := w.message(entry); err != nil {
			return err
		}
	}
	return d.put("pstree.img", w)
}

// writeTimens writes the tree's clocks at the dump: a restore makes a time namespace in which
// they go on.
func (e *Encoder) writeTimens(d *Dir) error {
	var mono, boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono); err != nil {
		return fmt.Errorf("read the monotonic clock: %w", err)
	}
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		return fmt.Errorf("read the boot clock: %w", err)
	}
	w := newImage(magicTimens)
	if err := w.message(&pb.TimensEntry{
		Monotonic: timespec(mono.Nano() + e.opts.Monotonic.Nanoseconds()),
		Boottime:  timespec(boot.Nano() + e.opts.Boottime.Nanoseconds()),
	}); err != nil {
		return err
	}
	return d.put("timens-0.img", w)
}

func timespec(ns int64) *pb.Timespec {
	return &pb.Timespec{TvSec: u64(ns / nsecPerSec), TvNsec: u64(ns % nsecPerSec)}
}
