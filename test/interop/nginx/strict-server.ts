/** A server behind nginx that compares `htu` with the URL that it sees, character by character. */
import { decodeJwt } from "jose";
import { type LoopbackServer, loopbackServer } from "../../servers/loopback-server.js";

/** The response, with status 200 if the two are the same, and 401 otherwise. */
export interface Seen {
  /** The URL without its query. */
  readonly url: string;
  readonly htu: string;
}

/** Starts the server. It trusts `Host` and `X-Forwarded-Proto`, and sends a `Date` of 1970. */
export async function strictServer(): Promise<LoopbackServer & AsyncDisposable> {
  const server = await loopbackServer();
  server.http.on("request", ({ headers, url = "" }, response) => {
    const { htu } = decodeJwt<{ htu: string }>(String(headers.dpop));
    const seen: Seen = { url: `${headers["x-forwarded-proto"] ?? "http"}://${headers.host}${url.split("?")[0]}`, htu };
    response.writeHead(seen.url === htu ? 200 : 401, { date: new Date(0).toUTCString() });
    response.end(JSON.stringify(seen));
  });
  return { ...server, [Symbol.asyncDispose]: server.close };
}
