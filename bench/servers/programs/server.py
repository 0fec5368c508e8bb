# An HTTP server over a numpy array: PORT ITEMS MIB.
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy

port, items, mib = map(int, sys.argv[1:])
values = numpy.arange(items, dtype=numpy.uint64) * 2654435761 % 2**32


def numbers():
    return numpy.random.default_rng(1).random(mib << 17)


def check():
    return b"right" if numpy.array_equal(array, numbers()) else b"the array"


array = numbers()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        if self.path == "/check":
            text = check()
        else:
            n = int(self.path[6:])
            text = b"%d:%d\n" % (n, values[n])
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
