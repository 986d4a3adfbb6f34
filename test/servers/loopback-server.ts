/** An HTTP server on a free port of 127.0.0.1 that records its requests. The caller adds the handler. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";

/** A request that the server received. */
export interface RecordedRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** The body as text, as far as it was received. */
  readonly body: string;
  /** The status of the response, 0 until its headers are sent. */
  readonly status: number;
}

/** A running server. */
export interface LoopbackServer {
  readonly origin: string;
  readonly requests: RecordedRequest[];
  /** Add the handler with `http.on("request", …)`. */
  readonly http: Server;
  close(): Promise<void>;
}

/** Starts a server, with TLS if there are options for it. */
export async function loopbackServer(tls?: ServerOptions): Promise<LoopbackServer> {
  const requests: RecordedRequest[] = [];
  const record = (req: IncomingMessage, res: ServerResponse) => requests.push(recordOf(req, res));
  const http = tls ? createTlsServer(tls, record) : createServer(record);
  await new Promise<void>((resolve, reject) => http.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = http.address();
  if (address === null || typeof address === "string") throw new Error(`The server has no port: ${address}`);
  return { origin: `${tls ? "https" : "http"}://127.0.0.1:${address.port}`, requests, http, close: () => close(http) };
}

/** Returns an origin on loopback whose port is free. */
export async function closedOrigin(): Promise<string> {
  const { origin, close } = await loopbackServer();
  await close();
  return origin;
}

/** Returns a live view of a request, which a test reads after the response. */
function recordOf(req: IncomingMessage, res: ServerResponse): RecordedRequest {
  const chunks = tapBody(req);
  return {
    method: req.method ?? "",
    url: req.url ?? "",
    headers: req.headers,
    get body() {
      return Buffer.concat(chunks).toString();
    },
    get status() {
      return res.headersSent ? res.statusCode : 0;
    },
  };
}

/** Records the body at `push`: a "data" listener would start the stream before oidc-provider reads it. */
function tapBody(req: IncomingMessage): Buffer[] {
  const chunks: Buffer[] = [];
  const push = req.push.bind(req);
  req.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
    if (chunk !== null) chunks.push(chunk);
    return push(chunk, encoding);
  };
  return chunks;
}

async function close(http: Server): Promise<void> {
  if (!http.listening) return;
  const closed = new Promise<void>((resolve) => http.close(() => resolve()));
  http.closeAllConnections();
  await closed;
}
