package images

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

// fileTable numbers files and collects their entries for files.img.
type fileTable struct {
	opts    EncodeOptions
	last    uint32
	open    map[fastcr.KObj]uint32 // open files
	paths   map[pathKey]uint32     // files known by path only: mapped ones, directories
	entries []*pb.FileEntry
	ghosts  ghostTable
	leased  map[[2]uint64]bool // files that the tree has a lease on, by device and inode
	links   map[string]uint32  // temporary names of deleted files
	ttys    ttyTable
	memfds  memfdTable
	unix    *UnixLinks
	holders map[fastcr.KObj]*fdTable
	gone    map[fastcr.KObj]uint32 // processes that only pidfds remember
	groups  map[int]int            // process groups, and the sessions that they are in
}

// pathKey tells paths apart: a file that is mapped in two ways has two entries.
type pathKey struct {
	path     string
	dev, ino uint64
	flags    uint32
}

func newFileTable(tree *fastcr.Tree, opts EncodeOptions) *fileTable {
	groups := make(map[int]int)
	for _, p := range tree.Processes {
		groups[p.PGID] = p.SID
	}
	return &fileTable{groups: groups, opts: opts, open: map[fastcr.KObj]uint32{}, paths: map[pathKey]uint32{},
		ghosts: newGhostTable(opts.Ghosts), links: map[string]uint32{}, ttys: ttyTable{}, memfds: newMemfdTable(tree), unix: NewUnixLinks(tree), holders: holders(tree), gone: map[fastcr.KObj]uint32{}}
}

func (t *fileTable) next() uint32 {
	t.last++
	return t.last
}

func (t *fileTable) add(typ pb.FdTypes, id uint32, e *pb.FileEntry) {
	e.Type, e.Id = typ.Enum(), &id
	t.entries = append(t.entries, e)
}

// path is the id of a file that is reached by its path, opened with flags.
func (t *fileTable) path(p fastcr.PathRef, flags uint32) (uint32, error) {
	key := pathKey{p.Path, p.Dev, p.Ino, flags}
	if id, ok := t.paths[key]; ok {
		return id, nil
	}
	id := t.next()
	if err := t.addRegular(id, p, flags, 0, fastcr.FileOwner{}, true); err != nil {
		return 0, err
	}
	t.paths[key] = id
	return id, nil
}

// addRegular adds a file, directory or device that is opened by its path (reg_file_entry).
// A build id is looked for in mapped files and programs only: who opens somebody's data
// files breaks leases.
func (t *fileTable) addRegular(id uint32, p fastcr.PathRef, flags uint32, pos uint64, owner fastcr.FileOwner, mapped bool) error {
	name := p.Path
	if p.External != "" {
		name = p.External // which the restore is handed
	} else if p.Path == "" || p.Path[0] != '/' {
		return fmt.Errorf("file %q (device %x, inode %d) has no absolute path", p.Path, p.Dev, p.Ino)
	}
	switch {
	case p.Helper != 0:
		t.ghosts.remapProc(id, p.Helper)
		if p.Gone {
			pos = unmoved // the kernel would read the helper's file up to there, and give the program the rest of that
		}
	case p.Deleted && p.External == "" && p.FSMagic != devptsMagic:
		if err := t.remap(id, p); err != nil {
			return err
		}
	}
	reg := &pb.RegFileEntry{Id: &id, Flags: &flags, Pos: &pos, Fown: ownerEntry(owner), Name: &name, Mode: &p.Mode}
	if p.External != "" {
		reg.Ext = boolean(true)
	}
	if p.Mode&unix.S_IFMT == unix.S_IFREG && flags&(unix.O_ACCMODE|unix.O_APPEND) != unix.O_WRONLY|unix.O_APPEND {
		reg.Size = &p.Size
		if t.opts.BuildID && !p.Deleted && p.External == "" && (mapped || p.Mode&0o111 != 0) && !t.leased[[2]uint64{p.Dev, p.Ino}] {
			reg.BuildId = buildID(p)
		}
	}
	t.add(pb.FdTypes_REG, id, &pb.FileEntry{Reg: reg})
	return nil
}

// unmoved is a position (reg_file_entry.pos) to which a restore does not move.
const unmoved = ^uint64(0)

// buildID is the ELF build id by which a restore recognizes a program or library,
// nothing for other files.
func buildID(p fastcr.PathRef) []uint32 {
	f, err := os.Open(p.Path)
	if err != nil {
		return nil
	}
	defer f.Close()
	var magic [4]byte
	if _, err := f.ReadAt(magic[:], 0); err != nil || string(magic[:]) != elf.ELFMAG {
		return nil
	}
	e, err := elf.NewFile(f)
	if err != nil {
		return nil
	}
	const noteGNUBuildID = 3 // NT_GNU_BUILD_ID
	for _, prog := range e.Progs {
		if prog.Type != elf.PT_NOTE || prog.Filesz > 1<<20 {
			continue
		}
		notes := make([]byte, prog.Filesz)
		if _, err := prog.ReadAt(notes, 0); err != nil {
			return nil
		}
		if id := findNote(notes, e.ByteOrder, noteGNUBuildID); id != nil {
			return words(append(id, make([]byte, (4-len(id)%4)%4)...))
		}
	}
	return nil
}

// findNote finds a note of the owner "GNU" among ELF notes.
func findNote(notes []byte, order binary.ByteOrder, typ uint32) []byte {
	for len(notes) >= 12 {
		name, desc := uint64(order.Uint32(notes)), uint64(order.Uint32(notes[4:]))
		body := notes[12:]
		start := (name + 3) &^ 3
		if start+desc > uint64(len(body)) {
			return nil
		}
		if order.Uint32(notes[8:]) == typ && name == 4 && string(body[:4]) == "GNU\x00" {
			return append([]byte(nil), body[start:start+desc]...)
		}
		end := (start + desc + 3) &^ 3
		if end > uint64(len(body)) {
			return nil
		}
		notes = body[end:]
	}
	return nil
}

func ownerEntry(o fastcr.FileOwner) *pb.FownEntry {
	return &pb.FownEntry{Uid: &o.UID, Euid: &o.EUID, Signum: &o.Signum, PidType: &o.PIDType, Pid: u32(o.PID)}
}

// writeFdinfo writes a descriptor table; a shared one is written with the first process that has it.
func (e *Encoder) writeFdinfo(d *Dir, p *fastcr.Process) error {
	for _, fd := range p.Passed {
		if _, _, err := e.files.file(fd.File); err != nil {
			return fmt.Errorf("in a message for fd %d: %w", fd.Num, err)
		}
	}
	if len(p.Files) == 0 && e.written(p) {
		return nil
	}
	w := newImage(magicFdinfo)
	for i := range p.Files {
		fd := &p.Files[i]
		id, typ, err := e.files.file(fd.File)
		if err != nil {
			return fmt.Errorf("fd %d: %w", fd.Num, err)
		}
		flags := uint32(0)
		if fd.CloExec {
			flags = unix.FD_CLOEXEC
		}
		if err := w.message(&pb.FdinfoEntry{Id: &id, Flags: &flags, Type: typ.Enum(), Fd: u32(fd.Num)}); err != nil {
			return err
		}
	}
	return d.put(fmt.Sprintf("fdinfo-%d.img", e.fdTables.of(p.FilesID)), w)
}

// written tells whether an earlier process has the same descriptor table.
func (e *Encoder) written(p *fastcr.Process) bool {
	for _, other := range e.tree.Processes {
		if other == p {
			return false
		}
		if other.State != fastcr.TaskDead && other.FilesID == p.FilesID {
			return true
		}
	}
	return false
}

func (e *Encoder) writeFiles(d *Dir) error {
	e.files.orderUnix(e.tree, e.opts.Queues)
	w := newImage(magicFiles)
	for _, f := range e.files.entries {
		if err := w.message(f); err != nil {
			return err
		}
	}
	return d.put("files.img", w)
}
