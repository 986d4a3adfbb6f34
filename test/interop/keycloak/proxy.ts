/** A reverse proxy, which adds the `Date` header that Keycloak doesn't send. */
import { forwardRequests } from "../../servers/forward-requests.js";
import { type LoopbackServer, loopbackServer } from "../../servers/loopback-server.js";

/** Which responses have a `Date`. */
export type SendDate = "always" | "never" | "on errors";

/** Starts a proxy. Keycloak names it as the issuer, since the `Host` header isn't changed. */
export async function proxy(target: string, sendDate: SendDate): Promise<LoopbackServer> {
  const server = await loopbackServer();
  forwardRequests(
    server,
    () => ({ to: target }),
    (outgoing, status) => {
      outgoing.sendDate = sendDate === "always" || (sendDate === "on errors" && status >= 400);
    },
  );
  return server;
}
