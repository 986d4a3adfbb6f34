/** A DPoP client of jose and fetch, which tests the servers without this project's code. */
import { createHash, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import type { AuthorizationServer } from "./authorization-server.js";

/** The claims of a proof. `jti` and `iat` are added by default. */
export type ProofClaims = JWTPayload & { htm: string; htu: string };
/** A client with its own key. */
export type Agent = Awaited<ReturnType<typeof joseAgent>>;
/** The parts of a response that the tests compare. */
export type ParsedResponse = Awaited<ReturnType<typeof parseResponse>>;

/** Creates a client with a new key. */
export async function joseAgent() {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const jwk = await exportJWK(publicKey);
  const header = { typ: "dpop+jwt", alg: "ES256", jwk };
  return {
    jkt: await calculateJwkThumbprint(jwk),
    proof: (claims: ProofClaims) =>
      new SignJWT({ jti: randomUUID(), iat: Math.floor(Date.now() / 1000), ...claims })
        .setProtectedHeader(header)
        .sign(privateKey),
  };
}

/** Reads the parts of a response that the tests compare. The nonce is an empty string if there is none. */
export async function parseResponse(response: Response) {
  return {
    status: response.status,
    challenge: response.headers.get("WWW-Authenticate"),
    nonce: response.headers.get("DPoP-Nonce") ?? "",
    body: (await response.json()) as Record<string, string>,
  };
}

/** Requests a token by client credentials. */
export async function tokenRequest(
  as: AuthorizationServer,
  proof: string | undefined,
  form = {},
): Promise<ParsedResponse> {
  const { clientId: client_id, clientSecret: client_secret } = as.client;
  const body = new URLSearchParams({ grant_type: "client_credentials", client_id, client_secret, ...form });
  const headers = new Headers(proof === undefined ? {} : { DPoP: proof });
  return parseResponse(await fetch(as.tokenEndpoint, { method: "POST", body, headers }));
}

/** Returns the claims of a proof for the token endpoint. */
export function tokenClaims(as: AuthorizationServer, nonce?: string): ProofClaims {
  return { htm: "POST", htu: as.tokenEndpoint, ...(nonce !== undefined && { nonce }) };
}

/** Gets a nonce from the authorization server's challenge. */
export async function asNonce(as: AuthorizationServer, agent: Agent): Promise<string> {
  return (await tokenRequest(as, await agent.proof(tokenClaims(as)))).nonce;
}

/** Returns an access token that is bound to the key of the agent. */
export async function boundToken(as: AuthorizationServer, agent: Agent, form = {}): Promise<string> {
  const proof = await agent.proof(tokenClaims(as, await asNonce(as, agent)));
  const { body } = await tokenRequest(as, proof, { scope: "read", ...form });
  return body.access_token ?? "";
}

/** Returns the `ath` of an access token (RFC 9449 §4.2). */
export const ath = (token: string) => createHash("sha256").update(token).digest("base64url");

/** Flips one bit in the middle of a part, where it can't be a padding bit. */
export function changedByte(jws: string, part: number): string {
  const parts = jws.split(".");
  const bytes = Buffer.from(parts[part] ?? "", "base64url");
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  parts[part] = bytes.toString("base64url");
  return parts.join(".");
}
