/** A stub HTTP server: records requests, and responds as the test defines. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** A request that the server received. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly form: URLSearchParams;
  readonly body: string;
}

/** @param turn - The number of the request, from 1. */
export type Responder = (response: ServerResponse, request: RecordedRequest, turn: number) => void;

/** A running server. */
export interface StubServer {
  readonly origin: string;
  readonly requests: RecordedRequest[];
  /** Sets the responder for the next requests, and clears `requests`. */
  respondWith(responder: Responder): void;
  close(): Promise<void>;
}

/** Starts a server that responds with status 500 until the test sets a responder. */
export async function stubServer(): Promise<StubServer> {
  const requests: RecordedRequest[] = [];
  let responder: Responder = (response) => response.writeHead(500).end();
  const server = createServer(async (request, response) => {
    response.shouldKeepAlive = false; // so that tests don't share connections
    const body = await text(request);
    const { method = "", url: path = "" } = request;
    const recorded = { method, path, headers: request.headers, form: new URLSearchParams(body), body };
    requests.push(recorded);
    responder(response, recorded, requests.length);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    respondWith: (next) => {
      requests.length = 0;
      responder = next;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Responds with a JSON body. */
export function json(status: number, body: unknown, headers: Record<string, string> = {}): Responder {
  return (response) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}
