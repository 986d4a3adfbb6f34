/** An authorization server and a resource server for tests, started by one call. */
import { randomBytes } from "node:crypto";
import { calculateJwkThumbprint } from "jose";
import { DPoPProver, type PublicJwk } from "../../src/index.js";
import { FaultPlan } from "../emulators/fault-plan.js";
import { startAuthorizationServer } from "./authorization-server.js";
import { ClientAuthentication } from "./client-authentication.js";
import { ProofGuard } from "./proof-guard.js";
import { Recorder, type TestServerFault, type TestServerOperation, type TestServerRequest } from "./recorder.js";
import { startResourceServer } from "./resource-server.js";

/** Options of {@link testServer}. */
export interface TestServerOptions {
  /** Default: `agent`. */
  readonly clientId?: string | undefined;
  /** Whether each proof must contain the nonce of its server, which costs each client one more request. Default: true. */
  readonly requireNonce?: boolean | undefined;
  /** Seconds that a token is valid. Default: 60. */
  readonly tokenLifetime?: number | undefined;
  /** The client's public keys, if it authenticates by `private_key_jwt` in place of its secret. */
  readonly clientKeys?: readonly PublicJwk[] | undefined;
}

/** A running authorization server, its only client, and a resource server that accepts its tokens. */
export interface TestServer extends AsyncDisposable {
  /** The authorization server. It publishes metadata (RFC 8414); its token endpoint is `/oauth/token`. */
  readonly issuer: string;
  /** The only client. Its members are options of every token request. */
  readonly client: { readonly clientId: string; readonly clientSecret: string };
  /** A URL that answers every method with status 200 and `{ hello, jkt }`. It publishes metadata too (RFC 9728). */
  readonly resource: string;
  /** The requests to both servers so far. */
  readonly requests: readonly TestServerRequest[];
  /** The faults of the next requests. */
  readonly plan: FaultPlan<TestServerOperation, TestServerFault>;
  /** Makes the nonces of both servers stale. */
  rotateNonces(): void;
  /**
   * Calls the resource as a thief who has a token, but not its key: with another key, the server's nonce, and proofs
   * that are valid otherwise.
   *
   * @returns The response, whose status is 401.
   */
  callAsThief(accessToken: string): Promise<Response>;
  close(): Promise<void>;
}

/**
 * Starts a small authorization server and a resource server on loopback. They issue and accept only tokens that are bound
 * to a key (RFC 9449), demand nonces, and check every proof strictly.
 *
 * @example
 * ```ts
 * await using server = await testServer();
 * const client = await OAuthClient.discover(server.issuer);
 * const token = await client.clientCredentials({ dpopProver, ...server.client });
 * ```
 */
export async function testServer(options: TestServerOptions = {}): Promise<TestServer> {
  const { clientId = "agent", requireNonce = true, tokenLifetime = 60, clientKeys = [] } = options;
  const clientSecret = randomBytes(24).toString("base64url");
  const guards = { token: new ProofGuard(requireNonce), resource: new ProofGuard(requireNonce) };
  const plan = new FaultPlan<TestServerOperation, TestServerFault>();
  const recorder = new Recorder(plan);
  let audience = "";
  // The client names its key by the thumbprint, unless it was told to use another kid.
  const keys = await Promise.all(clientKeys.map(async (key) => ({ kid: await calculateJwkThumbprint(key), ...key })));
  const authorizationServer = await startAuthorizationServer({
    clientId,
    authentication: new ClientAuthentication({ clientId, clientSecret, keys }),
    proofs: guards.token,
    recorder,
    audience: () => audience,
    tokenLifetime,
  });
  const { origin: issuer, keys: tokenKeys } = authorizationServer;
  const resourceServer = await startResourceServer({ issuer, keys: tokenKeys, proofs: guards.resource, recorder });
  audience = resourceServer.origin;
  const close = async () => {
    await Promise.all([authorizationServer.close(), resourceServer.close()]);
  };
  return {
    issuer,
    client: { clientId, clientSecret },
    resource: resourceServer.url,
    requests: recorder.requests,
    plan,
    rotateNonces() {
      for (const guard of Object.values(guards)) guard.rotateNonce();
    },
    callAsThief: (accessToken) => callAsThief(resourceServer.url, accessToken),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function callAsThief(url: string, accessToken: string): Promise<Response> {
  const thief = await DPoPProver.generate();
  const attempt = async (nonce?: string) => {
    const dpop = await thief.makeProof({ htm: "GET", htu: url, accessToken, nonce });
    return fetch(url, { headers: { authorization: `DPoP ${accessToken}`, dpop } });
  };
  const challenge = await attempt();
  await challenge.body?.cancel();
  return attempt(challenge.headers.get("dpop-nonce") ?? undefined);
}
