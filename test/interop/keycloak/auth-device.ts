/** The device where Keycloak asks the user during backchannel authentication: it consents to everything. */
import { text } from "node:stream/consumers";
import { decodeJwt } from "jose";
import { loopbackServer } from "../../servers/loopback-server.js";

/** A running device. */
export interface AuthDevice extends AsyncDisposable {
  readonly url: string;
}

/** Starts the device. */
export async function authDevice(): Promise<AuthDevice> {
  const server = await loopbackServer();
  server.http.on("request", async (request, response) => {
    await text(request);
    response.writeHead(201).end();
    // A scenario that doesn't poll may have stopped the proxy that is the issuer's.
    await consent(String(request.headers.authorization)).catch(() => undefined);
  });
  return { url: `${server.origin}/consent`, [Symbol.asyncDispose]: () => server.close() };
}

/** The token of Keycloak's request names its issuer, and identifies the user's decision. */
async function consent(authorization: string): Promise<void> {
  const { iss } = decodeJwt(authorization.replace(/^Bearer /, ""));
  await fetch(`${iss}/protocol/openid-connect/ext/ciba/auth/callback`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({ status: "SUCCEED" }),
  });
}
