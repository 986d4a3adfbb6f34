/** Forwards requests on loopback to another server, as reverse proxies do. */
import { type IncomingMessage, request, type ServerResponse } from "node:http";
import type { LoopbackServer } from "./loopback-server.js";

/** What a request becomes. */
export interface Forwarded {
  /** The origin of the server. */
  readonly to: string;
  /** The path and query, which are sent as they are. Default: those of the request. */
  readonly path?: string;
  /** Headers that are added to those of the request, or replace them. */
  readonly headers?: NodeJS.Dict<string>;
}

/**
 * Forwards each request, and its response.
 *
 * @param route - Returns where a request goes.
 * @param onResponse - Called before the status and the headers of the response are passed on.
 */
export function forwardRequests(
  { http }: Pick<LoopbackServer, "http">,
  route: (incoming: IncomingMessage) => Forwarded,
  onResponse: (outgoing: ServerResponse, status: number) => void = () => undefined,
): void {
  http.on("request", (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { to, path = incoming.url ?? "/", headers } = route(incoming);
    const options = { method: incoming.method, path, headers: { ...incoming.headers, ...headers }, agent: false };
    const upstream = request(to, options, (response) => {
      const { statusCode = 502 } = response;
      onResponse(outgoing, statusCode);
      outgoing.writeHead(statusCode, response.headers);
      response.pipe(outgoing);
    });
    upstream.on("error", (error) => outgoing.destroy(error));
    incoming.pipe(upstream);
  });
}

/** Returns the `Host` header that names a server itself. */
export function hostOf(origin: string): { host: string } {
  return { host: new URL(origin).host };
}
