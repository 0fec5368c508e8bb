package loader

import (
	"fmt"

	"github.com/fastcr/fastcr"
)

// decodeTTY is struct tty_struct.
func decodeTTY(rec []byte, b *builder) error {
	r, _, err := view[fileFileTty](rec)
	if err != nil {
		return err
	}
	_, d := detail[fastcr.TTY](b, r.File)
	*d = fastcr.TTY{
		Object: fastcr.KObj(r.Object), Link: fastcr.KObj(r.Link), DriverType: r.Type, Subtype: r.Subtype,
		Index: r.Index, Major: r.Major, MinorStart: r.MinorStart, Count: r.Count,
		Termios:       decodeTermios(&r.Termios, r.Cc[:], r.Line),
		TermiosLocked: decodeTermios(&r.TermiosLocked, r.CcLocked[:], r.LineLocked),
		Winsize:       fastcr.Winsize{Row: r.Winsize[0], Col: r.Winsize[1], XPixel: r.Winsize[2], YPixel: r.Winsize[3]},
		PGRP:          int(r.Pgrp), Session: int(r.Session),
		Flags: r.Flags, Exclusive: r.Exclusive != 0, Packet: r.Packet != 0, PtyLocked: r.Locked != 0,
		OtherClosed: r.OtherClosed != 0, Hung: r.Hung != 0,
	}
	return nil
}

// TTY_QUEUE, TTY_MOVES and TTY_STAYS.
const (
	ttyQueue = 4096
	ttyMoves = 1
	ttyStays = 2
)

// decodeTTYData is what struct n_tty_data has to be read, a ring and a bit for each of its
// bytes that ends a line. What ends one and is NUL was typed as the end of file.
func decodeTTYData(rec []byte, b *builder) error {
	r, ring, err := view[fileFileTtyData](rec)
	if err != nil {
		return err
	}
	n := r.ReadHead - r.ReadTail
	if len(ring) < ttyQueue+ttyQueue/8 || n > ttyQueue {
		return fmt.Errorf("%w: a terminal's queue of %d bytes from %d on", errRecord, n, r.ReadTail)
	}
	_, d := detail[fastcr.TTY](b, r.File)
	d.More, d.Moving = r.More == ttyStays, r.More == ttyMoves
	d.Queued = make([]byte, n)
	ends := ring[ttyQueue:]
	for i := range d.Queued {
		at := (r.ReadTail + uint64(i)) % ttyQueue
		d.Queued[i] = ring[at]
		if ring[at] == 0 && ends[at/8]>>(at%8)&1 != 0 {
			d.EOFs = append(d.EOFs, i)
		}
	}
	return nil
}

func decodeTermios(w *[6]uint32, cc []uint8, line uint32) fastcr.Termios {
	t := fastcr.Termios{Iflag: w[0], Oflag: w[1], Cflag: w[2], Lflag: w[3], Ispeed: w[4], Ospeed: w[5], Line: uint8(line)}
	copy(t.CC[:], cc)
	return t
}
