# Holds one thing that is hard to dump, most of them descriptors that no restore brings
# back; the kind is the first argument.
import ctypes, os, socket, sys, time

libc = ctypes.CDLL(None, use_errno=True)
kind = sys.argv[1]
if kind == "memory":
    keep = bytearray(b"x") * (100 << 20)
elif kind == "xdp":
    keep = socket.socket(44, socket.SOCK_RAW)
elif kind == "userfaultfd":
    keep = libc.syscall(323, 0)
elif kind == "io_uring":
    keep = libc.syscall(425, 4, ctypes.create_string_buffer(120))
elif kind == "perf":
    attr = ctypes.create_string_buffer(128)
    attr[0:8] = (1).to_bytes(4, "little") + (112).to_bytes(4, "little")
    keep = libc.syscall(298, attr, 0, -1, -1, 0)
elif kind == "bpf":
    attr = ctypes.create_string_buffer(128)
    attr[0:16] = b"".join(n.to_bytes(4, "little") for n in (2, 4, 8, 1))
    keep = libc.syscall(321, 0, attr, 128)
if isinstance(keep, int) and keep < 0:
    raise OSError(ctypes.get_errno(), "cannot make " + kind)
open("ready", "w").close()
while True:
    time.sleep(0.05)
