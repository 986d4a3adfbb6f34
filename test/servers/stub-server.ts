/** A server, a token endpoint or any other, that answers what a test tells it to. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface Heard {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly form: URLSearchParams;
  readonly body: string;
}

export type Telling = (response: ServerResponse, heard: Heard, turn: number) => void;

export interface ToldServer {
  readonly origin: string;
  readonly heard: Heard[];
  /** Forgets what was heard. */
  tell(telling: Telling): void;
  close(): Promise<void>;
}

export async function toldServer(): Promise<ToldServer> {
  const heard: Heard[] = [];
  let telling: Telling = (response) => response.writeHead(500).end();
  const server = createServer(async (request, response) => {
    response.shouldKeepAlive = false; // a connection that one test has left in whatever state is not the next one's
    const body = await text(request);
    const { method = "", url: path = "" } = request;
    const one = { method, path, headers: request.headers, form: new URLSearchParams(body), body };
    heard.push(one);
    telling(response, one, heard.length);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    tell: (next) => {
      heard.length = 0;
      telling = next;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Telling {
  return (response) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}
