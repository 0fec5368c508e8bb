// An HTTP server with a heap: PORT ITEMS MIB.
const [port, items, mib] = process.argv.slice(2).map(Number);
const heap = [];
for (let n = 0; n < items; n++) {
	const b = Buffer.alloc(Math.max((mib * 1048576) / items, 32));
	b.write(`${n}:${Number((BigInt(n) * 2654435761n) & 0xffffffffn)}\n`);
	heap.push(b);
}
const s = require("http").createServer((q, a) => a.end(heap[Number(q.url.slice(6))].subarray(0, 32)));
s.keepAliveTimeout = 3600e3;
s.requestTimeout = 0;
s.listen(port, "127.0.0.1");
