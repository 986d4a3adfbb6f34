/** A proxy that changes the URL: it requests the same path at another origin. */
import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";

/** A running proxy. */
export interface OriginProxy {
  readonly origin: string;
  close(): void;
}

/** Starts a proxy to an origin. The server sees its own host, not the one that the client requests. */
export async function proxyTo(origin: string): Promise<OriginProxy> {
  const proxy = createServer((incoming, outgoing) => {
    const { url: path = "", method, headers } = incoming;
    const request = forward(new URL(path, origin), { method, headers: { ...headers, host: new URL(origin).host } });
    request.on("response", (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    incoming.pipe(request);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, close: () => proxy.close() };
}
