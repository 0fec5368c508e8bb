package memory

const (
	chunkMax  = 4 << 20   // bytes that a worker takes at once
	chunkMin  = 256 << 10 // below that, taking costs more than it balances
	chunkRuns = 1024      // IOV_MAX
)

// chunk is one piece of work: bytes from consecutive runs of a source.
type chunk struct {
	src         *Source
	first, last int    // indices of runs, both inclusive
	skip        uint64 // bytes of the first run that earlier chunks have
	bytes       uint64
	off         uint64 // into the whole copy
}

// chunkSize balances total bytes over workers: several chunks each, so that none
// waits long for the last.
func chunkSize(total uint64, workers int) uint64 {
	return min(max(roundUp(total/uint64(8*max(workers, 1)), PageSize), chunkMin), chunkMax)
}

// planChunks appends the chunks of one source, whose place in the copy is known. None
// has more than size bytes or chunkRuns runs, and none crosses an offset in cuts (ascending).
func planChunks(chunks []chunk, s *Source, size uint64, cuts []uint64) []chunk {
	cur := chunk{src: s, off: s.off}
	room := roomAt(cur.off, size, cuts)
	for i := range s.Runs {
		for skip, n := uint64(0), s.Runs[i].Bytes(); skip < n; {
			if cur.bytes == 0 {
				cur.first, cur.skip = i, skip
			}
			take := min(n-skip, room-cur.bytes)
			cur.last = i
			cur.bytes += take
			skip += take
			if cur.bytes == room || i-cur.first == chunkRuns-1 {
				chunks = append(chunks, cur)
				cur = chunk{src: s, off: cur.off + cur.bytes}
				room = roomAt(cur.off, size, cuts)
			}
		}
	}
	if cur.bytes > 0 {
		chunks = append(chunks, cur)
	}
	return chunks
}

// roomAt is how many bytes a chunk at off may have.
func roomAt(off, size uint64, cuts []uint64) uint64 {
	for _, c := range cuts {
		if off < c {
			return min(size, c-off)
		}
	}
	return size
}
