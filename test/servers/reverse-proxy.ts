/** A reverse proxy on loopback: the server behind it sees another URL than the client requests. */
import { forwardRequests, hostOf } from "./forward-requests.js";
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
  const server = await loopbackServer(certificate && { ...certificate });
  forwardRequests(server, () => ({ to: target, ...(!keepsHost && { headers: hostOf(target) }) }));
  const { origin, close } = server;
  const fetchOfProxy = certificate ? fetchWith(undefined, certificate) : fetch;
  return { origin, fetch: fetchOfProxy, close, [Symbol.asyncDispose]: close };
}
