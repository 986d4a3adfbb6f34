/** The client's time limit, where a key never responds. */
import { DPoPProver, OAuthClient, type Signer } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { afterAll, beforeAll, expect, it } from "vitest";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
let dpopProver: DPoPProver;
beforeAll(async () => {
  [server, dpopProver] = await Promise.all([stubServer(), DPoPProver.generate()]);
  server.respondWith(json(200, { client_id: "my-agent" }));
});
afterAll(() => server.close());

const never = () => new Promise<never>(() => undefined);
const working = MemorySigner.generate();
/** A key that doesn't sign, and one that can't even be opened. */
const silent: Signer = { publicJwk: () => working.publicJwk(), sign: never, describe: never, close: never } as never;
const unopened: Signer = { ...silent, publicJwk: never };

const request = () => ({ clientId: "my-agent", dpopProver, redirectUri: "https://app.example.com/callback" });
const metadata = () => ({
  issuer: server.origin,
  authorization_endpoint: `${server.origin}/authorize`,
  token_endpoint: `${server.origin}/token`,
  registration_endpoint: `${server.origin}/register`,
  pushed_authorization_request_endpoint: `${server.origin}/par`,
});
const clientOf = (options: object = {}) =>
  new OAuthClient({ baseUrl: server.origin, metadata: metadata(), timeout: 50, ...options });
const fapi = () => clientOf({ profile: "fapi2", clientAuth: { method: "private_key_jwt", signer: working } });
const access = () => ({
  clientId: "my-agent",
  registrationClientUri: `${server.origin}/register/7`,
  registrationAccessToken: "registration-token",
});

it.each<[string, () => Promise<unknown>]>([
  ["a request object", () => clientOf().authorizationUrl({ ...request(), requestObject: { signer: silent } })],
  [
    "a request object of a profile",
    () => fapi().authorizationUrl({ ...request(), requestObject: { signer: unopened } }),
  ],
  ["an assertion", () => fapi().jwtBearer({ ...request(), assertion: { signer: unopened, subject: "user-7" } })],
  ["a registration", () => clientOf().register({ signer: unopened })],
  ["the update of a registration", () => clientOf().updateRegistration(access(), { signer: unopened })],
])("ends the wait for the key of %s", async (_, call) => {
  const count = server.requests.length;
  await expect(call()).rejects.toMatchObject({
    name: "OAuthError",
    code: "timeout",
    message: expect.stringContaining(server.origin),
  });
  expect(server.requests).toHaveLength(count);
});
