/** A bound token of oidc-provider and a resource server with nonces, for the tests of HTTP libraries. */
import { DPoPProver, OAuthClient, type TokenSource, tokenSource } from "hardproof";
import { authorizationServer } from "../servers/authorization-server.js";
import { type ResourceServer, resourceServer } from "../servers/resource-server.js";

/** Running servers, a key and its token. */
export interface BoundToken {
  readonly rs: ResourceServer;
  readonly prover: DPoPProver;
  readonly token: TokenSource;
  readonly clientId: string;
  /** The statuses, and the bodies, of the resource server's requests since the last call. */
  newRequests(): { status: number; body: string }[];
  /** Only their statuses. */
  newStatuses(): number[];
  close(): Promise<void>;
}

/** What the resource server gets of two GETs and, after its nonce was rotated, a POST of `{"a":1}`: one retry for each nonce. */
export const ONE_RETRY_FOR_EACH_NONCE = [
  { status: 401 },
  { status: 200 },
  { status: 200 },
  { status: 401, body: '{"a":1}' },
  { status: 200, body: '{"a":1}' },
];

/** Starts the servers. */
export async function boundToken(): Promise<BoundToken> {
  const as = await authorizationServer();
  const rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
  const prover = await DPoPProver.generate();
  const client = new OAuthClient({ baseUrl: as.issuer });
  const token = tokenSource({ client, prover, grantType: "client_credentials", scope: "read", ...as.client });
  let seen = 0;
  const newRequests = () => {
    const requests = rs.requests.slice(seen).map(({ status, body }) => ({ status, body }));
    seen = rs.requests.length;
    return requests;
  };
  return {
    rs,
    prover,
    token,
    clientId: as.client.clientId,
    newRequests,
    newStatuses: () => newRequests().map(({ status }) => status),
    close: async () => {
      await Promise.all([rs.close(), as.close()]);
    },
  };
}
