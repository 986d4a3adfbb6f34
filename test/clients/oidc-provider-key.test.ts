/** examples/clients/oidc-provider-key.ts: oidc-provider, whose access tokens and ID tokens keys in SoftHSM sign. */
import { pkcePair, type Signer } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import type { ClientMetadata, Configuration } from "oidc-provider";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { agentPolicy, resourceServerInfo, routes } from "../servers/authorization-policy.js";
import { ACCOUNT, INTERACTION, interact } from "../servers/automatic-user.js";
import { authorizeInBrowser } from "../servers/browser.js";
import { type LoopbackServer, loopbackServer } from "../servers/loopback-server.js";
import { Provider } from "../servers/oidc-provider.js";
import { type Memory, StoredModels } from "../servers/stored-models.js";
import { testedAlgorithms } from "../tested-algorithms.js";

// After oidc-provider.js, which suppresses the warning that oidc-provider prints on Node 20.
const { oidcProviderKey } = await import("../../examples/clients/oidc-provider-key.js");

type SigningKey = Awaited<ReturnType<typeof oidcProviderKey>>;
type SigningAlgorithm = NonNullable<ClientMetadata["id_token_signed_response_alg"]>;
const AUDIENCE = "https://resource.example/";
const REDIRECT_URI = "http://127.0.0.1/callback";

let hsm: SoftHsm;
const signers: Signer[] = [];
const servers: LoopbackServer[] = [];
beforeAll(async () => {
  hsm = await softHsm({ label: "issuer" });
  await hsm.addKey({ label: "rsa", id: "02", algorithm: "RS256" });
  await hsm.addKey({ label: "next", id: "03", algorithm: "ES256" });
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await Promise.all(signers.map((signer) => signer.close()));
  await hsm.close();
});

function hardwareKey(key: string, algorithm?: "PS256"): Promise<SigningKey> {
  const signer = new Pkcs11Signer({ module: hsm.module, token: hsm.token, key, pin: hsm.pin, algorithm });
  signers.push(signer);
  return oidcProviderKey(signer, `${key}-1`);
}

/** Starts a server with one client for each algorithm. The client's ID is the algorithm. */
async function issuer(keys: SigningKey[], algorithms: string[], existing?: LoopbackServer): Promise<LoopbackServer> {
  const server = existing ?? (await loopbackServer());
  if (!existing) servers.push(server);
  const policy = agentPolicy({ requireNonce: false, audience: AUDIENCE, mutualTls: false, registration: undefined });
  const resourceIndicators = {
    ...policy.features.resourceIndicators,
    getResourceServerInfo: (_ctx: unknown, _resource: string, { clientId }: { clientId: string }) => ({
      ...resourceServerInfo(AUDIENCE),
      jwt: { sign: { alg: clientId as SigningAlgorithm } },
    }),
  };
  const memory: Memory = new Map();
  const externalSigningSupport = { enabled: true, ack: "experimental-01" };
  const provider = new Provider(server.origin, {
    ...policy,
    // The default algorithm of signed responses isn't that of every key.
    features: { ...policy.features, resourceIndicators, externalSigningSupport, jwtResponseModes: { enabled: false } },
    clients: algorithms.map(client),
    enabledJWA: { idTokenSigningAlgValues: algorithms },
    jwks: { keys },
    adapter: (model: string) => new StoredModels(model, memory),
  } as unknown as Configuration);
  server.http.removeAllListeners("request");
  const handler = provider.callback();
  server.http.on("request", (req, res) =>
    req.url?.startsWith(INTERACTION) ? interact(provider, req, res) : handler(req, res),
  );
  return server;
}

function client(alg: string): ClientMetadata {
  return {
    client_id: alg,
    client_secret: "secret",
    application_type: "native",
    redirect_uris: [REDIRECT_URI],
    grant_types: ["authorization_code"],
    id_token_signed_response_alg: alg as SigningAlgorithm,
    token_endpoint_auth_method: "client_secret_post",
  };
}

/** Signs a user in (OpenID Connect Core §3.1) and returns the tokens. */
async function signIn(origin: string, alg: string): Promise<{ access_token: string; id_token: string }> {
  const { codeVerifier, codeChallenge } = await pkcePair();
  const request = { client_id: alg, redirect_uri: REDIRECT_URI };
  const pkce = { code_challenge: codeChallenge, code_challenge_method: "S256" };
  const query = new URLSearchParams({ ...request, ...pkce, response_type: "code", scope: "openid read" });
  const callback = await authorizeInBrowser(`${origin}${routes.authorization}?${query}`, REDIRECT_URI);
  const code = new URL(callback).searchParams.get("code") ?? expect.unreachable(callback);
  const form = {
    ...request,
    client_secret: "secret",
    grant_type: "authorization_code",
    code,
    code_verifier: codeVerifier,
  };
  const response = await fetch(origin + routes.token, { method: "POST", body: new URLSearchParams(form) });
  expect(response.status).toBe(200);
  return Object(await response.json());
}

async function jwksUri(origin: string): Promise<URL> {
  const metadata = await fetch(`${origin}/.well-known/openid-configuration`);
  return new URL(Object(await metadata.json()).jwks_uri);
}

/** Verifies both tokens with the keys that the server publishes, and returns the `kid` that both have. */
async function expectVerified(origin: string, tokens: { access_token: string; id_token: string }, alg: string) {
  const keys = createRemoteJWKSet(await jwksUri(origin));
  const id = await jwtVerify(tokens.id_token, keys, { issuer: origin, audience: alg, algorithms: [alg] });
  const access = await jwtVerify(tokens.access_token, keys, { issuer: origin, audience: AUDIENCE, algorithms: [alg] });
  expect([id.payload.sub, access.payload.sub]).toEqual([ACCOUNT, ACCOUNT]);
  expect(access.protectedHeader.kid).toBe(id.protectedHeader.kid);
  return id.protectedHeader.kid;
}

describe("a server with two keys in SoftHSM", () => {
  it("signs access tokens and ID tokens with the key for each client's algorithm", async () => {
    const keys = [await hardwareKey("dpop"), await hardwareKey("rsa", "PS256")];
    const { origin } = await issuer(keys, ["ES256", "PS256"]);
    for (const [alg, kid] of [
      ["ES256", "dpop-1"],
      ["PS256", "rsa-1"],
    ] as const)
      expect(await expectVerified(origin, await signIn(origin, alg), alg)).toBe(kid);
  });

  it("publishes only public members", async () => {
    const { origin } = await issuer([await hardwareKey("dpop"), await hardwareKey("rsa", "PS256")], ["ES256", "PS256"]);
    const { keys } = Object(await (await fetch(await jwksUri(origin))).json());
    expect(keys.map((key: object) => Object.keys(key).sort())).toEqual([
      ["alg", "crv", "kid", "kty", "use", "x", "y"],
      ["alg", "e", "kid", "kty", "n", "use"],
    ]);
  });

  it("signs with the first key after a rotation, and tokens of the second one can still be verified", async () => {
    const old = await hardwareKey("dpop");
    const server = await issuer([old], ["ES256"]);
    const before = await signIn(server.origin, "ES256");
    await issuer([await hardwareKey("next"), old], ["ES256"], server);
    expect(decodeProtectedHeader((await signIn(server.origin, "ES256")).id_token).kid).toBe("next-1");
    expect(await expectVerified(server.origin, before, "ES256")).toBe("dpop-1");
    await issuer([await hardwareKey("next")], ["ES256"], server);
    await expect(expectVerified(server.origin, before, "ES256")).rejects.toThrow("no applicable key");
  });
});

describe.each(testedAlgorithms("memory"))("a server with a key in memory for %s", (alg) => {
  it("signs tokens that jose verifies, with the thumbprint as kid", async () => {
    const signer = MemorySigner.generate({ algorithm: alg });
    const { origin } = await issuer([await oidcProviderKey(signer)], [alg]);
    expect(await expectVerified(origin, await signIn(origin, alg), alg)).toBe((await signer.describe()).jkt);
  });
});
