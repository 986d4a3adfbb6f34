/** An HTTP server on loopback that responds with JSON. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";

/** A running server. */
export interface DemoServer {
  readonly origin: string;
  close(): Promise<void>;
}

/** A response with a JSON body. */
export interface JsonResponse {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Starts a server on a free port. If `handle` throws, the server responds with status 500. */
export async function startServer(
  handle: (request: IncomingMessage, origin: string) => Promise<JsonResponse>,
): Promise<DemoServer> {
  const http = createServer(async (request, response) => {
    const { status, body, headers } = await handle(request, origin).catch(() => ({
      status: 500,
      body: { error: "server_error" },
      headers: {},
    }));
    response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store", ...headers });
    response.end(JSON.stringify(body));
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const address = http.address();
  if (typeof address !== "object" || address === null) throw new Error("The server isn't listening on a port.");
  const origin = `http://127.0.0.1:${address.port}`;
  const close = async () => {
    http.close();
    http.closeAllConnections();
    await once(http, "close");
  };
  return { origin, close };
}
