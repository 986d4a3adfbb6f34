/** examples/clients/atproto-key.ts with @atproto/jwk and the fetch of @atproto/oauth-client, at oidc-provider. */
import { Keyset, type SignedJwt } from "@atproto/jwk";
import type { AlgorithmName, Signer } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  EmbeddedJWK,
  jwtVerify,
} from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AtprotoKey, keyUriStore } from "../../examples/clients/atproto-key.js";
// Not part of the package's entry point, but what every request of its client uses.
import { dpopFetchWrapper } from "../../node_modules/@atproto/oauth-client/dist/fetch-dpop.js";
import { type AuthorizationServer, authorizationServer, confidential } from "../servers/authorization-server.js";
import { changedByte } from "../servers/jose-agent.js";
import { type ResourceServer, resourceServer } from "../servers/resource-server.js";
import { testedAlgorithms } from "../tested-algorithms.js";

const CLIENT_ID = "https://app.example/client-metadata.json";

let hsm: SoftHsm;
let signer: Signer;
let key: AtprotoKey;
let as: AuthorizationServer;
let rs: ResourceServer;
beforeAll(async () => {
  hsm = await softHsm({ label: "atproto" });
  signer = new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });
  key = await AtprotoKey.from(signer);
  const jwks = new Keyset([key]).toJSON() as never;
  as = await authorizationServer({
    clients: [{ ...confidential, client_id: CLIENT_ID, token_endpoint_auth_method: "private_key_jwt", jwks }],
  });
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
});
afterAll(async () => {
  await Promise.all([as.close(), rs.close()]);
  await signer.close();
  await hsm.close();
});

const now = () => Math.floor(Date.now() / 1000);
const assertionClaims = () => ({
  iss: CLIENT_ID,
  sub: CLIENT_ID,
  aud: as.issuer,
  jti: crypto.randomUUID(),
  iat: now(),
  exp: now() + 60,
});

type NonceStore = ReturnType<typeof nonceStore>;

function nonceStore() {
  const nonces = new Map<string, string>();
  return {
    origins: () => [...nonces.keys()],
    get: (origin: string) => nonces.get(origin),
    set: (origin: string, nonce: string) => void nonces.set(origin, nonce),
    del: (origin: string) => void nonces.delete(origin),
  };
}

/** Requests a token, with the nonces that the client stores. */
async function requestToken(form: Record<string, string>, nonces: NonceStore) {
  const send = dpopFetchWrapper({ key, nonces, isAuthServer: true });
  const body = new URLSearchParams({ grant_type: "client_credentials", scope: "read", ...form });
  const response = await send(as.tokenEndpoint, { method: "POST", body });
  return { status: response.status, ...Object(await response.json()) };
}

const withSecret = () => ({ client_id: as.client.clientId, client_secret: as.client.clientSecret });

describe("a DPoP key in SoftHSM", () => {
  it("gets a bound token, and calls a resource server, both of which demand nonces", async () => {
    const nonces = nonceStore();
    const token = await requestToken(withSecret(), nonces);
    expect(token).toMatchObject({ status: 200, token_type: "DPoP" });
    const jkt = await calculateJwkThumbprint({ ...(await signer.publicJwk()) });
    expect(decodeJwt(token.access_token).cnf).toEqual({ jkt });
    const call = dpopFetchWrapper({ key, nonces, isAuthServer: false });
    const response = await call(rs.url, { headers: { authorization: `DPoP ${token.access_token}` } });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ jkt });
    expect(nonces.origins().sort()).toEqual([as.issuer, rs.origin].sort());
  });

  it("is restored from its URI, and the store has no private key", async () => {
    const texts = new Map<string, string>();
    const opened: string[] = [];
    const store = keyUriStore<{ dpopKey: AtprotoKey; tokenSet: { sub: string } }>(texts, async (uri) => {
      opened.push(uri);
      return key;
    });
    await store.set("did:plc:alice", { dpopKey: key, tokenSet: { sub: "did:plc:alice" } });
    expect(JSON.parse(texts.get("did:plc:alice") ?? "")).toEqual({
      tokenSet: { sub: "did:plc:alice" },
      keyUri: signer.uri,
    });
    expect(await store.get("did:plc:alice")).toEqual({ dpopKey: key, tokenSet: { sub: "did:plc:alice" } });
    expect(opened).toEqual([signer.uri]);
    await store.del("did:plc:alice");
    expect(await store.get("did:plc:alice")).toBeUndefined();
  });

  it("isn't stored if it can't be opened again", async () => {
    const { uri: _, ...withoutUri } = {
      publicJwk: () => signer.publicJwk(),
      describe: () => signer.describe(),
      uri: "",
    };
    const store = keyUriStore(new Map(), async () => key);
    const temporary = await AtprotoKey.from(withoutUri as unknown as Signer);
    await expect(store.set("a", { dpopKey: temporary })).rejects.toThrow("has no URI");
    await expect(store.set("a", { dpopKey: {} as AtprotoKey })).rejects.toThrow("createKey must return an AtprotoKey");
  });
});

describe("a client's key in SoftHSM", () => {
  it("authenticates the client by an assertion of the Keyset", async () => {
    const nonces = nonceStore();
    await requestToken(withSecret(), nonces);
    const token = await requestToken(
      {
        client_id: CLIENT_ID,
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion: await new Keyset([key]).createJwt({ alg: ["ES256"] }, assertionClaims()),
      },
      nonces,
    );
    expect(token).toMatchObject({ status: 200, token_type: "DPoP" });
  });

  it("is published without private members", () => {
    const keyset = new Keyset([key]);
    expect(keyset.publicJwks.keys).toEqual([expect.objectContaining({ kty: "EC", kid: key.kid, key_ops: ["verify"] })]);
    expect(keyset.privateJwks.keys).toEqual([]);
    expect(key.privateJwk).toBeUndefined();
  });
});

describe("verifyJwt", () => {
  const options = () => ({ audience: as.issuer, issuer: [CLIENT_ID], requiredClaims: ["jti"] as const });

  it("accepts the key's own JWTs", async () => {
    const jwt = await key.createJwt({ alg: "ES256" }, assertionClaims());
    const { payload, protectedHeader } = await key.verifyJwt(jwt, options());
    expect(payload.iss).toBe(CLIENT_ID);
    expect(protectedHeader.kid).toBe(key.kid);
    expect((await new Keyset([key]).verifyJwt(jwt)).key).toBe(key);
  });

  it("rejects a changed signature, another audience, issuer, or a missing claim", async () => {
    const { jti: _, ...claims } = assertionClaims();
    const jwt = await key.createJwt({ alg: "ES256" }, { ...claims, jti: "a" });
    await expect(key.verifyJwt(changedByte(jwt, 2) as SignedJwt, options())).rejects.toThrow("signature");
    await expect(key.verifyJwt(jwt, { ...options(), audience: "https://other.example" })).rejects.toThrow("aud");
    await expect(key.verifyJwt(jwt, { ...options(), issuer: "https://other.example" })).rejects.toThrow("iss");
    await expect(key.verifyJwt(await key.createJwt({ alg: "ES256" }, claims), options())).rejects.toThrow("jti");
  });
});

const names: Partial<Record<AlgorithmName, string>> = { Ed25519: "EdDSA" };

describe.each(testedAlgorithms("memory").filter((alg) => !alg.startsWith("ML-DSA")))("a key for %s", (alg) => {
  it("signs assertions that jose verifies with the Keyset's public key", async () => {
    const keyset = new Keyset([await AtprotoKey.from(MemorySigner.generate({ algorithm: alg }), "client-key")]);
    const name = names[alg] ?? alg;
    const jwt = await keyset.createJwt({ alg: [name] }, assertionClaims());
    expect(decodeProtectedHeader(jwt)).toMatchObject({ alg: name, kid: "client-key" });
    const { payload } = await jwtVerify(jwt, createLocalJWKSet(keyset.toJSON() as never), { audience: as.issuer });
    expect(payload.iss).toBe(CLIENT_ID);
  });

  it("signs proofs that contain its public key and no kid", async () => {
    const memory = await AtprotoKey.from(MemorySigner.generate({ algorithm: alg }));
    const jwk = memory.bareJwk as never;
    const proof = await memory.createJwt({ alg: memory.algorithms[0] as never, typ: "dpop+jwt", jwk }, { jti: "a" });
    const header = decodeProtectedHeader(proof);
    expect(header).toEqual({ alg: names[alg] ?? alg, typ: "dpop+jwt", jwk });
    await jwtVerify(proof, EmbeddedJWK, { typ: "dpop+jwt" });
  });
});

it.each(testedAlgorithms("memory").filter((alg) => alg.startsWith("ML-DSA")))(
  "a key for %s is refused",
  async (alg) => {
    const created = AtprotoKey.from(MemorySigner.generate({ algorithm: alg }));
    await expect(created).rejects.toThrow(`@atproto/jwk doesn't support ${alg} keys.`);
  },
);
