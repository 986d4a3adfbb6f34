/** The library's messages in the words of the command, and the notes about a rejected proof. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { CKF_USER_PIN_FINAL_TRY } from "../../../providers/pkcs11/constants.js";
import { checkPinState } from "../../../providers/pkcs11/pin-checks.js";
import { withOptionNames } from "../../../src/cli/option-names.js";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";
import { isOneLine, run } from "./run.js";

let stub: StubServer;
beforeAll(async () => {
  stub = await stubServer();
});
afterAll(() => stub.close());

const env = { HARDPROOF_KEY: "memory:", HARDPROOF_CLIENT_ID: "agent", TOKEN: "an-access-token" };
const login = ["--grant", "authorization_code", "--no-browser"];
/** Replaces `URL` by the stub's. */
const withUrl = (args: string[]) => args.map((each) => each.replace("URL", stub.origin));

it.each<[string[], string]>([
  [["token", "--base-url", "http://a.example"], "See --allow-insecure."],
  [["fetch", "http://a.example", "--token-env", "TOKEN"], "See --allow-insecure."],
  [["fetch", "URL/other"], "pass its identifier with --resource"],
  [["fetch", "URL", "--token-env", "TOKEN", "-H", "authorization: Bearer t"], "can't be Authorization or DPoP"],
  [["fetch", "URL", "--token-env", "TOKEN", "-H", "DPoP: p"], "can't be Authorization or DPoP"],
  [["token", "--base-url", "URL", ...login, "--scope", "openid"], "Pass --issuer."],
  [["token", "--base-url", "URL", ...login, "--sign-request", "--client-auth", "private_key_jwt"], "Pass --issuer."],
  [["register", "--issuer", "URL"], "lacks registration_endpoint.\n"],
])("names the command's options, not those of the library: %j", async (args, advice) => {
  const metadata = { issuer: stub.origin, resource: "https://api.example", token_endpoint: `${stub.origin}/token` };
  stub.respondWith(json(200, metadata));
  const { code, err } = await run(withUrl(args), { env });
  expect(err).toSatisfy(isOneLine);
  expect(err).toContain(advice);
  expect(err).not.toMatch(/allowInsecure|discover\(\)|the option|replaceAuthorization|as resource/);
  expect(code).toBe(2);
});

it.each([
  [
    undefined,
    "The client did not authenticate: no client secret was sent. Set HARDPROOF_CLIENT_SECRET, or pass --client-secret-file or --client-auth.",
  ],
  ["s3cr3t-s3cr3t", "If the client is registered for client_secret_basic, pass --client-auth client_secret_basic."],
])("names --client-auth if the server refuses the client", async (secret, advice) => {
  stub.respondWith(json(401, { error: "invalid_client" }));
  const secrets: Record<string, string> = secret === undefined ? {} : { HARDPROOF_CLIENT_SECRET: secret };
  const { err } = await run(["token", "--base-url", stub.origin], { env: { ...env, ...secrets } });
  expect(err).toContain(advice);
});

it("notes what may help if a resource rejects the proof by an empty response", async () => {
  stub.respondWith((response) => {
    response.sendDate = false;
    response.writeHead(401, { "www-authenticate": 'DPoP error="invalid_dpop_proof"' }).end();
  });
  const args = ["fetch", stub.origin, "--token-env", "TOKEN"];
  const { code, out, err } = await run(args, { env });
  expect({ code, out }).toEqual({ code: 0, out: "" });
  expect(err).toContain("status 401, invalid_dpop_proof: A likely cause is the clock of this machine");
  expect(err).toContain("pass --clock-offset");
  expect(JSON.parse((await run([...args, "--json"], { env })).out)).toMatchObject({ status: 401 });
});

it("doesn't name an option of the library to a user whose token allows one more try", () => {
  const { found, remedy = "" } = checkPinState(CKF_USER_PIN_FINAL_TRY);
  expect(found).toBe("one attempt is left");
  expect(remedy).toContain("forceLogin");
  expect(withOptionNames(remedy)).toBe("A login with the right PIN by the vendor's tool allows more tries again.");
});

it.each([
  ["no refresh token", {}, false],
  ["a new refresh token", { refresh_token: "new-refresh" }, true],
])("says that the response to a refresh has a refresh token only if it does: %s", async (_, fields, isNoted) => {
  stub.respondWith(json(200, { access_token: "t", token_type: "DPoP", ...fields }));
  const args = ["token", "--base-url", stub.origin, "--grant", "refresh_token"];
  const { code, err } = await run(args, { env: { ...env, HARDPROOF_REFRESH_TOKEN: "current-refresh" } });
  expect(code).toBe(0);
  expect(err.includes("The response contains a refresh token: use --json to print it.")).toBe(isNoted);
});
