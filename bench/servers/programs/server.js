// An HTTP server with a heap: PORT ITEMS MIB.
const [port, items, mib] = process.argv.slice(2).map(Number);
const size = Math.max((mib * 1048576) / items, 32);
const item = (n) => Buffer.alloc(size, `${n}:${Number((BigInt(n) * 2654435761n) & 0xffffffffn)}\n`);
const heap = [];
for (let n = 0; n < items; n++) heap.push(item(n));
const check = () => {
	const wrong = heap.findIndex((b, n) => !b.equals(item(n)));
	return wrong < 0 ? "right" : `item ${wrong}`;
};
const s = require("http").createServer((q, a) => a.end(q.url === "/check" ? check() : heap[Number(q.url.slice(6))].subarray(0, 32)));
s.keepAliveTimeout = 3600e3;
s.requestTimeout = 0;
s.listen(port, "127.0.0.1");
