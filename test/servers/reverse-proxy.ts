/** A reverse proxy on loopback: the server behind it sees another URL than the client requests. */
import { request as send } from "node:http";
import { loopbackServer } from "./loopback-server.js";
import { type Certificate, fetchWith } from "./mutual-tls.js";

/** Options of {@link reverseProxy}. */
export interface ReverseProxyOptions {
  /** Ends TLS with this certificate. Without it, the proxy is reached by `http:`. */
  certificate?: Certificate;
  /** Whether the server sees the host of the client's request. Default: it sees its own. */
  keepsHost?: boolean;
}

/** A running proxy. */
export interface ReverseProxy extends AsyncDisposable {
  readonly origin: string;
  /** Trusts the proxy's certificate. */
  readonly fetch: typeof fetch;
  close(): Promise<void>;
}

/** Starts a proxy that requests the same path at another origin. */
export async function reverseProxy(target: string, options: ReverseProxyOptions = {}): Promise<ReverseProxy> {
  const { certificate, keepsHost = false } = options;
  const { origin, http, close } = await loopbackServer(certificate && { ...certificate });
  http.on("request", (incoming, outgoing) => {
    const { url = "/", method, headers } = incoming;
    const host = keepsHost ? headers.host : new URL(target).host;
    const request = send(new URL(target + url), { method, headers: { ...headers, host }, agent: false });
    request.once("error", () => outgoing.destroy());
    request.once("response", (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    incoming.pipe(request);
  });
  const fetchOfProxy = certificate ? fetchWith(undefined, certificate) : fetch;
  return { origin, fetch: fetchOfProxy, close, [Symbol.asyncDispose]: close };
}
