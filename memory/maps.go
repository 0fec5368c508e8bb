package memory

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// mapsRead is how many bytes of /proc/PID/maps are read at once.
const mapsRead = 64 << 10

// readMaps appends the mappings of the process, ascending, to dst. text is memory for it.
func readMaps(pid, fd int, text []byte, dst []area) ([]area, error) {
	kept := 0 // an unfinished line at the beginning of text
	for off := int64(0); ; {
		n, err := unix.Pread(fd, text[kept:], off)
		if err == nil && n == 0 && off == 0 {
			err = unix.ESRCH
		}
		if err != nil {
			return dst, fmt.Errorf("read mappings of %d: %w", pid, err)
		}
		if n == 0 {
			return dst, nil
		}
		off += int64(n)
		end := bytes.LastIndexByte(text[:kept+n], '\n') + 1
		if dst, err = parseMaps(text[:end], dst); err != nil {
			return dst, fmt.Errorf("read mappings of %d: %w", pid, err)
		}
		kept = copy(text, text[end:kept+n])
		if kept == len(text) {
			return dst, fmt.Errorf("read mappings of %d: a line has more than %d bytes", pid, kept)
		}
	}
}

// parseMaps appends the mappings among whole lines of /proc/PID/maps, as
// "7f00aa000-7f00ab000 rw-p 00000000 00:00 0  name".
func parseMaps(text []byte, dst []area) ([]area, error) {
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		start, rest := hex(line)
		if len(rest) == 0 || rest[0] != '-' {
			return dst, fmt.Errorf("mapping %.40q: no range", line)
		}
		end, rest := hex(rest[1:])
		if len(rest) < 6 || rest[0] != ' ' || rest[5] != ' ' || start >= end || start%PageSize != 0 || end%PageSize != 0 {
			return dst, fmt.Errorf("mapping %.40q: no range with permissions", line)
		}
		if n := len(dst); n > 0 { // a running process may move mappings between two reads
			start = max(start, dst[n-1].end)
		}
		if start < end {
			dst = append(dst, area{start, end, end - start, classOfLine(rest[4] == 'p', mapName(rest[6:]))})
		}
	}
	return dst, nil
}

// mapName is the name at the end of a line, behind offset, device and inode.
func mapName(rest []byte) []byte {
	for range 3 {
		_, rest, _ = bytes.Cut(rest, []byte(" "))
	}
	return bytes.TrimLeft(rest, " ")
}

// classOfLine is the class of a mapping, as far as /proc/PID/maps tells it: classOf for
// those that have no VMA yet.
func classOfLine(private bool, name []byte) areaClass {
	bracket := bytes.HasPrefix(name, []byte("["))
	switch {
	case string(name) == "[vdso]", string(name) == "/[aio] (deleted)":
		return areaWhole
	case bytes.HasPrefix(name, []byte("[vvar")), string(name) == "[vsyscall]", string(name) == "[uprobes]":
		return areaNever
	case !private:
		return areaShared
	case len(name) == 0, bracket, string(name) == "/anon_hugepage (deleted)":
		return areaAnonymous
	}
	return areaMixed
}

// hex takes the hexadecimal number that b begins with.
func hex(b []byte) (n uint64, rest []byte) {
	for i, c := range b {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return n, b[i:]
		}
	}
	return n, nil
}

// scanMapped scans the private mappings in a: the way of kernels before 6.7, which have no
// PAGEMAP_SCAN. Their pagemap is read page by page, and only where something is mapped:
// of a whole address space it would be 256 GiB. It returns what of mapped is behind a.
func (s *Scanner) scanMapped(a Range, mapped []area, dst []Run) (_ []Run, left []area, err error) {
	for len(mapped) > 0 && mapped[0].start < a.End {
		m := mapped[0]
		start, end := max(m.start, a.Start), min(m.end, a.End)
		if start < end && (m.class == areaAnonymous || m.class == areaMixed) {
			if dst, err = s.scanEntries(start, end, classify, dst); err != nil {
				return dst, mapped, err
			}
		}
		if m.end > a.End {
			break // the rest may belong to the next area
		}
		mapped = mapped[1:]
	}
	return dst, mapped, nil
}
