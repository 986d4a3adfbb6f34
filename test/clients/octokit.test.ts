/** examples/clients/octokit.ts with @octokit/auth-app, at a stub of GitHub's API that verifies the JWT with jose. */
import { createPublicKey } from "node:crypto";
import { createAppAuth } from "@octokit/auth-app";
import { Octokit } from "@octokit/core";
import type { Signer } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { decodeJwt, type JWTPayload, jwtVerify } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { githubAppJwt } from "../../examples/clients/octokit.js";
import { json, type StubServer, stubServer } from "../servers/stub-server.js";

const APP_ID = "Iv23liAgent7";
const INSTALLATION = { token: "ghs_installation", permissions: {}, repository_selection: "all" };

let hsm: SoftHsm;
let signer: Signer;
let github: StubServer;
beforeAll(async () => {
  hsm = await softHsm({ label: "github" });
  await hsm.addKey({ label: "app", id: "02", algorithm: "RS256" });
  const key = { module: hsm.module, token: hsm.token, key: "app", pin: hsm.pin };
  signer = new Pkcs11Signer({ ...key, algorithm: "RS256" });
  github = await stubServer();
});
afterAll(async () => {
  await github.close();
  await signer.close();
  await hsm.close();
});

/** GitHub rejects a JWT that starts in the future, ends in the past, or lasts more than ten minutes. */
let accepted: JWTPayload[];
beforeEach(async () => {
  accepted = [];
  const publicKey = createPublicKey({ key: { ...(await signer.publicJwk()) }, format: "jwk" });
  github.respondWith(async (response, request, turn) => {
    const [scheme, token = ""] = request.headers.authorization?.split(" ") ?? [];
    if (request.path === "/repos") return json(token === INSTALLATION.token ? 200 : 401, [])(response, request, turn);
    try {
      expect(scheme?.toLowerCase()).toBe("bearer");
      const { payload } = await jwtVerify(token, publicKey, { algorithms: ["RS256"], issuer: APP_ID });
      expect(payload.exp).toBeLessThanOrEqual(Date.now() / 1000 + 600);
      expect(payload.iat).toBeLessThanOrEqual(Date.now() / 1000);
      accepted.push(payload);
      const expires = new Date(Date.now() + 3_600_000).toISOString();
      json(201, { ...INSTALLATION, expires_at: expires })(response, request, turn);
    } catch (error) {
      json(401, { message: String(error) })(response, request, turn);
    }
  });
});

const newOctokit = () =>
  new Octokit({
    baseUrl: github.origin,
    authStrategy: createAppAuth,
    auth: { appId: APP_ID, installationId: 7, createJwt: githubAppJwt(signer) },
  });

describe("a GitHub App whose key is in SoftHSM", () => {
  it("gets an installation token, and calls the API with it", async () => {
    const { status } = await newOctokit().request("GET /repos");
    expect(status).toBe(200);
    expect(github.requests.map(({ path }) => path)).toEqual(["/app/installations/7/access_tokens", "/repos"]);
    expect(accepted).toHaveLength(1);
  });

  it("reports when the JWT expires", async () => {
    const { token, expiresAt } = Object(await newOctokit().auth({ type: "app" }));
    expect(Date.parse(expiresAt)).toBe((decodeJwt(token).exp ?? 0) * 1000);
  });

  it("follows GitHub's clock if that differs", async () => {
    const createJwt = githubAppJwt(signer);
    const [one, two] = await Promise.all([createJwt(APP_ID), createJwt(APP_ID, 3600)]);
    const shift = (decodeJwt(two.jwt).iat ?? 0) - (decodeJwt(one.jwt).iat ?? 0);
    expect(Math.round(shift / 60)).toBe(60);
    expect(Date.parse(two.expiresAt)).toBe((decodeJwt(two.jwt).exp ?? 0) * 1000);
  });
});
