/** An HTTP server on loopback that responds with JSON. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";

/** A response, or what happens in its place. */
export type JsonResponse = JsonDocument | "reset" | "hang";

/** A response with a JSON body. */
export interface JsonDocument {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

const SERVER_ERROR: JsonDocument = { status: 500, body: { error: "server_error" } };

/** A running server. */
export interface JsonServer {
  readonly origin: string;
  close(): Promise<void>;
}

/** Starts a server on a free port. If `handle` throws, the server responds with status 500. */
export async function startServer(
  handle: (request: IncomingMessage, origin: string) => Promise<JsonResponse>,
): Promise<JsonServer> {
  const http = createServer(async (request, response) => {
    const result = await handle(request, origin).catch(() => SERVER_ERROR);
    if (result === "hang") return;
    if (result === "reset") return void request.socket.resetAndDestroy();
    const headers = { "content-type": "application/json", "cache-control": "no-store", ...result.headers };
    response.writeHead(result.status, headers).end(JSON.stringify(result.body));
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
