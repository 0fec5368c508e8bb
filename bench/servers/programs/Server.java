/* An HTTP server with many threads and a heap: PORT ITEMS MIB. */
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

public class Server {
	public static void main(String[] args) throws Exception {
		int items = Integer.parseInt(args[1]), size = (Integer.parseInt(args[2]) << 20) / items;
		byte[][] heap = new byte[items][];
		for (int n = 0; n < items; n++) {
			heap[n] = new byte[Math.max(size, 32)];
			byte[] text = (n + ":" + (n * 2654435761L & 0xffffffffL) + "\n").getBytes();
			System.arraycopy(text, 0, heap[n], 0, text.length);
		}
		HttpServer s = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 64);
		var pool = Executors.newFixedThreadPool(300);
		for (int i = 0; i < 300; i++)
			pool.submit(() -> { Thread.sleep(100); return null; });
		s.setExecutor(pool);
		s.createContext("/item/", x -> {
			byte[] b = heap[Integer.parseInt(x.getRequestURI().getPath().substring(6))];
			x.sendResponseHeaders(200, 32);
			try (var out = x.getResponseBody()) {
				out.write(b, 0, 32);
			}
		});
		s.start();
	}
}
