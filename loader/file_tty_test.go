package loader

import (
	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

func checkTTY(o *opened) {
	d := as[fastcr.TTY](o)
	if d.Hung {
		_, err := unix.IoctlGetTermios(o.dup, unix.TCGETS)
		o.equal("hung up", err, error(unix.EIO))
		return
	}
	k, err := unix.IoctlGetTermios(o.dup, unix.TCGETS2)
	if err != nil {
		o.t.Fatal(err)
	}
	want := fastcr.Termios{
		Iflag: k.Iflag, Oflag: k.Oflag, Cflag: k.Cflag, Lflag: k.Lflag, Line: k.Line, CC: k.Cc, Ispeed: k.Ispeed, Ospeed: k.Ospeed,
	}
	o.equal("termios", d.Termios, want)
	w, err := unix.IoctlGetWinsize(o.dup, unix.TIOCGWINSZ)
	if err != nil {
		o.t.Fatal(err)
	}
	o.equal("size", d.Winsize, fastcr.Winsize{Row: w.Row, Col: w.Col, XPixel: w.Xpixel, YPixel: w.Ypixel})
	o.equal("exclusive", d.Exclusive, o.ioctl(unix.TIOCGEXCL) != 0)
	const pty = 4 // TTY_DRIVER_TYPE_PTY
	o.equal("driver type", d.DriverType, uint32(pty))
	if d.Subtype == 1 { // PTY_TYPE_MASTER
		o.equal("index", d.Index, uint32(o.ioctl(unix.TIOCGPTN)))
		o.equal("locked", d.PtyLocked, o.ioctl(unix.TIOCGPTLCK) != 0)
		o.equal("packet mode", d.Packet, o.ioctl(unix.TIOCGPKT) != 0)
	}
	if d.Subtype == 2 { // PTY_TYPE_SLAVE
		o.equal("device", unix.Mkdev(d.Major, d.MinorStart+d.Index), o.file.Path.RDev)
	}
}

// checkPty compares a pty's sides with each other.
func checkPty(master, slave *opened) {
	m, s := as[fastcr.TTY](master), as[fastcr.TTY](slave)
	slave.t = master.t
	checkTTY(slave)
	master.equal("link", m.Link, s.Object)
	slave.equal("link", s.Link, m.Object)
	master.equal("termios", m.Termios, s.Termios)
	master.equal("subtype", [2]uint32{m.Subtype, s.Subtype}, [2]uint32{1, 2})
	master.equal("closed", [2]bool{m.OtherClosed, s.OtherClosed}, [2]bool{})
	master.equal("lock", m.PtyLocked, false)
	// the master's ioctls tell of the slave, to everybody
	master.equal("session", m.Session, master.ioctl(unix.TIOCGSID))
	master.equal("foreground group", m.PGRP, master.ioctl(unix.TIOCGPGRP))
	slave.equal("session", s.Session, m.Session)
	slave.equal("foreground group", s.PGRP, m.PGRP)
	slave.equal("exclusive", s.Exclusive, true)
	master.equal("packet mode", m.Packet, true)
}
