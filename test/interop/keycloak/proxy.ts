/** A reverse proxy, which adds the `Date` header that Keycloak doesn't send. */
import { request } from "node:http";
import { type LoopbackServer, loopbackServer } from "../../servers/loopback-server.js";

/** Which responses have a `Date`. */
export type SendDate = "always" | "never" | "on errors";

/** Starts a proxy. Keycloak names it as the issuer, since the `Host` header isn't changed. */
export async function proxy(target: string, sendDate: SendDate): Promise<LoopbackServer> {
  const server = await loopbackServer();
  server.http.on("request", (incoming, outgoing) => {
    const { method, headers, url = "/" } = incoming;
    const upstream = request(new URL(url, target), { method, headers }, (response) => {
      const { statusCode = 502 } = response;
      outgoing.sendDate = sendDate === "always" || (sendDate === "on errors" && statusCode >= 400);
      outgoing.writeHead(statusCode, response.headers);
      response.pipe(outgoing);
    });
    upstream.on("error", (error) => outgoing.destroy(error));
    incoming.pipe(upstream);
  });
  return server;
}
