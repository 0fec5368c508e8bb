/* An HTTP server with many threads and a heap: PORT ITEMS MIB. */
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.Arrays;
import java.util.concurrent.Executors;

public class Server {
	static byte[] item(int n, int size) {
		byte[] text = (n + ":" + (n * 2654435761L & 0xffffffffL) + "\n").getBytes();
		byte[] b = new byte[size];
		for (int i = 0; i < size; i++)
			b[i] = text[i % text.length];
		return b;
	}

	public static void main(String[] args) throws Exception {
		int items = Integer.parseInt(args[1]), size = Math.max((Integer.parseInt(args[2]) << 20) / items, 32);
		byte[][] heap = new byte[items][];
		for (int n = 0; n < items; n++)
			heap[n] = item(n, size);
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
		s.createContext("/check", x -> {
			String answer = "right";
			for (int n = 0; n < items; n++)
				if (!Arrays.equals(heap[n], item(n, size)))
					answer = "item " + n;
			x.sendResponseHeaders(200, answer.length());
			try (var out = x.getResponseBody()) {
				out.write(answer.getBytes());
			}
		});
		s.start();
	}
}
