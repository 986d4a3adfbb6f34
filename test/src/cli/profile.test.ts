/** `--profile` with oidc-provider's FAPI 2.0 profile. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clientJwks, openSigner } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { authorizeInBrowser } from "../../servers/browser.js";
import { closedOrigin } from "../../servers/loopback-server.js";
import { runWithUser } from "./login-user.js";
import { run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-profile-"));
const key = `file://${directory}/dpop.pem`;
const env = { HARDPROOF_KEY: key };
let as: AuthorizationServer;
let jkt: string;
beforeAll(async () => {
  await run(["keygen", key]);
  await using signer = await openSigner(key);
  ({ jkt } = await signer.describe());
  const registration = {
    ...confidential,
    token_endpoint_auth_method: "private_key_jwt",
    dpop_bound_access_tokens: true,
    require_pushed_authorization_requests: true,
    jwks: await clientJwks(signer),
  } as const;
  as = await authorizationServer({
    fapi: true,
    clients: [
      { ...registration, client_id: "fapi2" },
      {
        ...registration,
        client_id: "fapi2-message-signing",
        request_object_signing_alg: "ES256",
        require_signed_request_object: true,
        response_modes: ["jwt"],
      },
    ],
  });
});
afterAll(async () => {
  await as.close();
  rmSync(directory, { recursive: true });
});

it.each(["fapi2", "fapi2-message-signing"])(
  "logs a user in by the profile %s with no other option",
  async (profile) => {
    const origin = await closedOrigin();
    const { port } = new URL(origin);
    let response = "";
    const user = async (url: string) => {
      expect([...new URL(url).searchParams.keys()]).toEqual(["client_id", "request_uri"]);
      response = await authorizeInBrowser(url, `${origin}/callback`);
      await fetch(response);
    };
    const args = ["token", "--issuer", as.issuer, "--profile", profile, "--client-id", profile];
    const login = ["--client-auth", "private_key_jwt", "--grant", "authorization_code", "--scope", "read"];
    const { code, out } = await runWithUser(user, [...args, ...login, "--redirect-port", port], { env });
    expect(code).toBe(0);
    expect(decodeJwt(out.trim())).toMatchObject({ sub: "alice", cnf: { jkt } });
    expect(new URL(response).searchParams.has("response")).toBe(profile === "fapi2-message-signing");
  },
);

it.each<[string[], string]>([
  [["--profile", "hunter2"], "--profile must be one of fapi2, fapi2-message-signing."],
  [["--profile", "fapi2"], "requires --client-auth to be"],
  [["--profile", "fapi2", "--client-auth", "private_key_jwt", "--allow-insecure"], "Remove --allow-insecure"],
])("ends with exit code 2 for what the profile forbids: %j", async (args, problem) => {
  const { code, err } = await run(["token", "--issuer", as.issuer, "--client-id", "fapi2", ...args], { env });
  expect(code).toBe(2);
  expect(err).toContain(problem);
  expect(err).not.toContain("hunter2");
});

it("ends with exit code 2 if the server has no metadata", async () => {
  const args = ["token", "--base-url", as.issuer, "--profile", "fapi2", "--client-auth", "private_key_jwt"];
  const { code, err } = await run([...args, "--client-id", "fapi2"], { env });
  expect(code).toBe(2);
  expect(err).toContain("use --issuer instead of --base-url");
});
