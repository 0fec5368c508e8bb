package loader

import (
	"fmt"

	"github.com/fastcr/fastcr"
)

const recThread = 1 // enum rec_type

// decodeThread decodes the records of thread.bpf.c.
func decodeThread(rec []byte, b *builder) error {
	if recordType(rec) != recThread {
		return fmt.Errorf("%w: type %d", errRecord, recordType(rec))
	}
	r, _, err := view[threadThreadRec](rec)
	if err != nil {
		return err
	}
	t := b.thread(int(r.Tgid), int(r.Tid))
	t.Comm = cstring(r.Comm[:])
	t.Regs = fastcr.Regs{
		R15: r.Regs[0], R14: r.Regs[1], R13: r.Regs[2], R12: r.Regs[3], BP: r.Regs[4],
		BX: r.Regs[5], R11: r.Regs[6], R10: r.Regs[7], R9: r.Regs[8], R8: r.Regs[9],
		AX: r.Regs[10], CX: r.Regs[11], DX: r.Regs[12], SI: r.Regs[13], DI: r.Regs[14],
		OrigAX: r.Regs[15], IP: r.Regs[16], CS: r.Regs[17], Flags: r.Regs[18],
		SP: r.Regs[19], SS: r.Regs[20],
	}
	return nil
}
