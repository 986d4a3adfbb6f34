/** jose, dpop, the MCP client and Auth.js with a pair that stands for a key on a SoftHSM token. */
import { randomUUID } from "node:crypto";
import { DPOP_SUPPORTED_ALGS, DpopSession } from "@modelcontextprotocol/client";
import * as dpop from "dpop";
import { type AlgorithmName, DPoPProver, OAuthClient } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { restoreSubtleCrypto, toCryptoKeyPair } from "hardproof/webcrypto";
import * as jose from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer, confidential } from "../servers/authorization-server.js";
import { ACCOUNT } from "../servers/automatic-user.js";
import { authorizeInBrowser } from "../servers/browser.js";
import { type ResourceServer, resourceServer } from "../servers/resource-server.js";
import { algorithms, realKey } from "../src/webcrypto/real-keys.js";
import { Keycloak, signIn } from "./auth-js.js";

type KeyPair = Awaited<ReturnType<typeof toCryptoKeyPair>>;

const callbackUrl = (provider: string) => `http://127.0.0.1/auth/callback/${provider}`;

let hsm: SoftHsm;
let prover: DPoPProver;
let pair: KeyPair;
let as: AuthorizationServer;
let rs: ResourceServer;
let accessToken: string;
beforeAll(async () => {
  hsm = await softHsm({ label: "webcrypto" });
  const signer = new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });
  prover = await DPoPProver.create(signer);
  pair = await toCryptoKeyPair(signer);
  const authJs = {
    ...confidential,
    client_id: "auth-js",
    redirect_uris: ["hsm", "keycloak"].map(callbackUrl),
    token_endpoint_auth_method: "private_key_jwt" as const,
    token_endpoint_auth_signing_alg: "ES256" as const,
    jwks: { keys: [{ ...prover.publicJwk, alg: "ES256", use: "sig" }] },
  };
  as = await authorizationServer({ clients: [authJs] });
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
  const client = await OAuthClient.discover(as.issuer);
  ({ accessToken } = await client.clientCredentials({ ...as.client, dpopProver: prover }));
});
afterAll(async () => {
  restoreSubtleCrypto();
  await Promise.all([as.close(), rs.close(), prover.signer.close()]);
  await hsm.close();
});

/** A signer in memory for each algorithm that this version of Node has, and its pair. */
const others = new Map<AlgorithmName, { prover: DPoPProver; pair: KeyPair }>();
beforeAll(async () => {
  for (const alg of algorithms) {
    const { signer } = await realKey(alg);
    others.set(alg, { prover: await DPoPProver.create(signer), pair: await toCryptoKeyPair(signer) });
  }
});
const keyFor = (alg: AlgorithmName) => others.get(alg) ?? expect.unreachable();

/** Calls the resource, and once more with the nonce of the challenge. */
async function callsResource(makeProof: (nonce: string | undefined) => Promise<string>): Promise<void> {
  const send = async (nonce?: string) =>
    fetch(rs.url, { headers: { authorization: `DPoP ${accessToken}`, dpop: await makeProof(nonce) } });
  const challenge = await send();
  expect(challenge.status).toBe(401);
  const response = await send(challenge.headers.get("dpop-nonce") ?? "");
  expect(await response.json()).toMatchObject({ jkt: prover.jkt });
}

describe("jose", () => {
  it.each(algorithms)("signs and verifies a JWT with %s", async (alg) => {
    const { privateKey, publicKey } = keyFor(alg).pair;
    const jwt = await new jose.SignJWT({ sub: "agent-7" }).setProtectedHeader({ alg }).sign(privateKey);
    const { payload } = await jose.jwtVerify(jwt, publicKey, { algorithms: [alg] });
    expect(payload).toEqual({ sub: "agent-7" });
    expect(await jose.calculateJwkThumbprint(await jose.exportJWK(publicKey))).toBe(keyFor(alg).prover.jkt);
  });

  it("refuses to sign with another algorithm than the key's", async () => {
    const signing = new jose.SignJWT({}).setProtectedHeader({ alg: "ES384" }).sign(pair.privateKey);
    await expect(signing).rejects.toThrow(TypeError);
  });
});

describe("dpop", () => {
  it("makes proofs that the resource server accepts", async () => {
    await callsResource((nonce) => dpop.generateProof(pair, rs.url, "GET", nonce, accessToken));
  });

  it.each(["ES256", "Ed25519", "RS256", "PS256"] as const)("makes proofs with %s", async (alg) => {
    const { prover, pair } = keyFor(alg);
    const proof = await dpop.generateProof(pair, rs.url, "GET");
    const { protectedHeader } = await jose.jwtVerify(proof, jose.EmbeddedJWK, { typ: "dpop+jwt" });
    expect(protectedHeader).toEqual({ typ: "dpop+jwt", alg, jwk: prover.publicJwk });
  });
});

describe("the DpopSession of the MCP client", () => {
  const sessionOf = ({ prover, pair }: { prover: DPoPProver; pair: KeyPair }) => {
    const { jkt: thumbprint, publicJwk, alg } = prover;
    return DpopSession.create({ keyPair: { ...pair, publicJwk: { ...publicJwk }, thumbprint, alg: alg as "ES256" } });
  };

  it("makes proofs that the resource server accepts", async () => {
    const session = await sessionOf({ prover, pair });
    await callsResource((nonce) => {
      if (nonce) session.rememberNonce(rs.url, nonce);
      return session.buildProof({ htm: "GET", htu: rs.url, accessToken });
    });
  });

  const supported: readonly string[] = DPOP_SUPPORTED_ALGS;
  it.each(algorithms.filter((alg) => supported.includes(alg)))("makes proofs with %s", async (alg) => {
    const { prover, pair } = keyFor(alg);
    const proof = await (await sessionOf({ prover, pair })).buildProof({ htm: "GET", htu: rs.url });
    const { protectedHeader } = await jose.jwtVerify(proof, jose.EmbeddedJWK, { typ: "dpop+jwt" });
    expect(protectedHeader).toEqual({ typ: "dpop+jwt", alg, jwk: prover.publicJwk });
  });
});

const authJsOptions = () => ({
  issuer: as.issuer,
  clientId: "auth-js",
  client: { token_endpoint_auth_method: "private_key_jwt", id_token_signed_response_alg: "ES256" },
  authorization: { params: { scope: "openid read" } },
});
const authJsProviders = {
  hsm: (clientPrivateKey: KeyPair["privateKey"]) => {
    return { id: "hsm", name: "HSM", type: "oidc", ...authJsOptions(), token: { clientPrivateKey } };
  },
  keycloak: (clientPrivateKey: KeyPair["privateKey"]) => ({
    ...Keycloak(authJsOptions()),
    token: { clientPrivateKey },
  }),
};

it.each(["hsm", "keycloak"] as const)(
  "Auth.js signs a user in with private_key_jwt, by the provider %s",
  async (id) => {
    const { accounts, cookies } = await signIn({
      origin: "http://127.0.0.1",
      secret: randomUUID(),
      provider: authJsProviders[id](pair.privateKey),
      browse: (url) => authorizeInBrowser(url, callbackUrl(id)),
    });
    expect(cookies.join()).toContain("session-token=");
    expect(accounts).toEqual([expect.objectContaining({ provider: id, providerAccountId: ACCOUNT })]);
    const tokenRequest = as.requests.findLast(({ method }) => method === "POST") ?? expect.unreachable();
    const assertion = new URLSearchParams(tokenRequest.body).get("client_assertion") ?? "";
    const key = await jose.importJWK({ ...prover.publicJwk }, "ES256");
    await expect(jose.jwtVerify(assertion, key)).resolves.toMatchObject({ payload: { sub: "auth-js" } });
  },
);
