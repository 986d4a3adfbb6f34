/**
 * A service that attests the keys of a fleet's processes, so that only it needs access to the HSM or KMS. The processes
 * authenticate by the tokens of their Kubernetes service accounts, and prove their keys by DPoP.
 *
 * ```ts
 * // The service, behind TLS
 * const url = "https://attester.example.com/attest";
 * const attester = clientAttester(new KmsSigner(arn), { issuer: "https://attester.example.com", lifetime: 3600 });
 * const keys = createRemoteJWKSet(new URL("https://kubernetes.default.svc/openid/v1/jwks"));
 * const authenticate = serviceAccounts({ keys, issuer: cluster, audience: url, clients: { "system:serviceaccount:prod:agent": "fleet" } });
 * createServer(attestationService({ url, attester, authenticate })).listen(8080);
 *
 * // Each process
 * const attester = remoteAttester({ url, prover, tokenFile: "/var/run/secrets/tokens/attester" });
 * const clientAuth = { method: "attest_jwt_client_auth_dpop", attester, prover };
 * ```
 *
 * A replayed request gets another attestation of the same key, which is useless without the key. So the service doesn't
 * remember the proofs.
 */
import { readFile } from "node:fs/promises";
import type { IncomingMessage, RequestListener } from "node:http";
import {
  type ClientAttester,
  type DPoPProver,
  dpopFetch,
  importPublicKey,
  type PublicJwk,
  verifyProof,
} from "hardproof";
import { decodeProtectedHeader, type JWTVerifyGetKey, jwtVerify } from "jose";

/** Returns the client that the caller with this token belongs to. `undefined`, or an error, refuses the caller. */
export type Authenticate = (token: string) => Promise<string | undefined>;

/** Creates the handler of the service's only URL. */
export function attestationService(options: {
  /** The URL as the callers request it: the `htu` of their proofs. */
  url: string;
  attester: ClientAttester;
  authenticate: Authenticate;
}): RequestListener {
  const { url, attester, authenticate } = options;
  return async (request, response) => {
    const token = /^DPoP (\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const clientId = await authenticate(token).catch(() => undefined);
    const jwk = await provenKey(request, { url, accessToken: token }).catch(() => undefined);
    if (clientId === undefined || jwk === undefined) {
      response.writeHead(401, { "www-authenticate": 'DPoP error="invalid_token"' }).end();
      return;
    }
    const attestation = await attester({ clientId, jwk }).catch(() => undefined);
    if (attestation === undefined) response.writeHead(503).end();
    else response.writeHead(200, { "content-type": "application/jwt", "cache-control": "no-store" }).end(attestation);
  };
}

/** Returns the key that made the request's proof, if the proof is valid. */
async function provenKey(
  { method, headers: { dpop } }: IncomingMessage,
  expected: { url: string; accessToken: string },
): Promise<PublicJwk | undefined> {
  if (typeof dpop !== "string" || method !== "POST") return undefined;
  const { findings } = await verifyProof(dpop, { ...expected, method, maxAge: 60, now: Date.now() / 1000 });
  if (findings.some(({ ok }) => ok === false)) return undefined;
  const { jwk, alg } = decodeProtectedHeader(dpop);
  return importPublicKey(jwk as PublicJwk, { algorithm: alg }).jwk;
}

/** Authenticates callers by the tokens of their Kubernetes service accounts. */
export function serviceAccounts(options: {
  /** The cluster's keys, from `createRemoteJWKSet`. */
  keys: JWTVerifyGetKey;
  /** The cluster's issuer. */
  issuer: string;
  /** The `audience` of the projected tokens. */
  audience: string;
  /** The clients, by the service account: `system:serviceaccount:NAMESPACE:NAME`. */
  clients: Readonly<Record<string, string>>;
}): Authenticate {
  const clients = new Map(Object.entries(options.clients));
  return async (token) => {
    const { keys, issuer, audience } = options;
    const { payload } = await jwtVerify(token, keys, { issuer, audience, requiredClaims: ["sub", "exp"] });
    return clients.get(payload.sub ?? "");
  };
}

/** Creates the attester of a process, which requests attestations for the prover's key from the service. */
export function remoteAttester({
  url,
  prover,
  tokenFile,
}: {
  url: string;
  prover: DPoPProver;
  /** The path of the projected token, which Kubernetes replaces before it expires. */
  tokenFile: string;
}): ClientAttester {
  return async ({ signal }) => {
    const token = (await readFile(tokenFile, "utf8")).trim();
    const response = await dpopFetch({ prover, token })(url, { method: "POST", signal: signal ?? null });
    if (!response.ok) throw new Error(`The attestation service ${url} responded with status ${response.status}.`);
    return response.text();
  };
}
