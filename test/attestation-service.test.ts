/** examples/attestation-service.ts: processes without access to the attester's key, at oidc-provider. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClientAttester, clientAttester, DPoPProver, dpopFetch, OAuthClient, SignerError } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { type CryptoKey, createLocalJWKSet, exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { attestationService, remoteAttester, serviceAccounts } from "../examples/attestation-service.js";
import { type AuthorizationServer, authorizationServer, confidential } from "./servers/authorization-server.js";
import { type LoopbackServer, loopbackServer } from "./servers/loopback-server.js";

const ISSUER = "https://attester.example.com";
const CLUSTER = "https://cluster.example.com";
const ACCOUNT = "system:serviceaccount:prod:agent";
const METHOD = "attest_jwt_client_auth_dpop";

let as: AuthorizationServer;
let service: LoopbackServer;
let url: string;
let tokenFile: string;
let directory: string;
let cluster: CryptoKey;
const attest = vi.fn<ClientAttester>();
beforeAll(async () => {
  const signer = MemorySigner.generate();
  attest.mockImplementation(clientAttester(signer, { issuer: ISSUER, lifetime: 3600 }));
  as = await authorizationServer({
    attester: { issuer: ISSUER, jwk: await signer.publicJwk() },
    clients: [{ ...confidential, client_id: "fleet", token_endpoint_auth_method: METHOD as "none" }],
  });
  const keys = await generateKeyPair("RS256");
  cluster = keys.privateKey;
  service = await loopbackServer();
  url = `${service.origin}/attest`;
  const authenticate = serviceAccounts({
    keys: createLocalJWKSet({ keys: [{ ...(await exportJWK(keys.publicKey)), alg: "RS256" }] }),
    issuer: CLUSTER,
    audience: url,
    clients: { [ACCOUNT]: "fleet" },
  });
  service.http.on("request", attestationService({ url, attester: attest, authenticate }));
  directory = mkdtempSync(join(tmpdir(), "hardproof-attestation-"));
  tokenFile = join(directory, "token");
  writeFileSync(tokenFile, `${await accountToken()}\n`);
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await Promise.all([as.close(), service.close()]);
});

const accountToken = ({ sub = ACCOUNT, aud = url, exp = "1h" } = {}) =>
  new SignJWT({ sub, aud, iss: CLUSTER }).setProtectedHeader({ alg: "RS256" }).setExpirationTime(exp).sign(cluster);
const statusFor = async (token: string) => {
  const prover = await DPoPProver.generate();
  return (await dpopFetch({ prover, token })(url, { method: "POST" })).status;
};

describe("examples/attestation-service.ts", () => {
  it("attests the key of a process that its service account authenticates, once for all of its tokens", async () => {
    attest.mockClear();
    const prover = await DPoPProver.generate();
    const attester = remoteAttester({ url, prover, tokenFile });
    const client = await OAuthClient.discover(as.issuer, { clientAuth: { method: METHOD, attester, prover } });
    for (let count = 0; count < 3; count++)
      await expect(client.clientCredentials({ clientId: "fleet", dpopProver: prover })).resolves.toMatchObject({
        cnfJkt: prover.jkt,
      });
    expect(attest).toHaveBeenCalledOnce();
  });

  it.each([
    ["another account", { sub: "system:serviceaccount:prod:other" }],
    ["an account named like a member of every object", { sub: "constructor" }],
    ["another audience", { aud: "https://kubernetes.default.svc" }],
    ["an expired token", { exp: "-1h" }],
  ])("refuses %s", async (_, claims) => {
    await expect(statusFor(await accountToken(claims))).resolves.toBe(401);
  });

  it("accepts the same request with the right account", async () => {
    await expect(statusFor(await accountToken())).resolves.toBe(200);
  });

  it("refuses a token that the cluster didn't sign", async () => {
    const { privateKey } = await generateKeyPair("RS256");
    const forged = await new SignJWT({ sub: ACCOUNT, aud: url, iss: CLUSTER })
      .setProtectedHeader({ alg: "RS256" })
      .setExpirationTime("1h")
      .sign(privateKey);
    await expect(statusFor(forged)).resolves.toBe(401);
  });

  it("refuses a request without a valid proof of the key", async () => {
    const token = await accountToken();
    const prover = await DPoPProver.generate();
    const post = async (dpop?: string) => {
      const headers = { authorization: `DPoP ${token}`, ...(dpop && { dpop }) };
      return (await fetch(url, { method: "POST", headers })).status;
    };
    const proof = { htm: "POST", htu: url, accessToken: token };
    expect(await post(await prover.makeProof(proof))).toBe(200);
    expect(await post()).toBe(401);
    expect(await post(await prover.makeProof({ ...proof, htu: as.issuer }))).toBe(401);
    expect(await post(await prover.makeProof({ ...proof, accessToken: "another" }))).toBe(401);
    const [header = "", claims = ""] = (await prover.makeProof(proof)).split(".");
    const [, , signature = ""] = (await prover.makeProof(proof)).split(".");
    expect(await post([header, claims, signature].join("."))).toBe(401);
  });

  it("responds with 503 while the attester's key can't sign, and the process's error names the service", async () => {
    attest.mockRejectedValueOnce(new SignerError("throttled", "Too many requests."));
    const prover = await DPoPProver.generate();
    const attester = remoteAttester({ url, prover, tokenFile });
    await expect(attester({ clientId: "fleet", jwk: prover.publicJwk })).rejects.toThrow(
      `${url} responded with status 503`,
    );
  });
});
