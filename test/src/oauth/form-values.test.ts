/** The values of form fields: lists, and fields of `extra` that repeat another one. */
import fc from "fast-check";
import { DPoPProver, type ExtraFields, memoryTokenStore, OAuthClient, tokenSource } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createForm } from "../../../src/oauth/token/token-request.js";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
let prover: DPoPProver;
beforeAll(async () => {
  [server, prover] = await Promise.all([stubServer(), DPoPProver.generate()]);
});
afterAll(() => server.close());

const agent = () => ({ clientId: "my-agent", dpopProver: prover });
const clientWith = (options = {}) => new OAuthClient({ baseUrl: server.origin, ...options });
const respondWithToken = () => server.respondWith(json(200, { access_token: "opaque", request_uri: "urn:x" }));
const lastForm = () => server.requests.at(-1)?.form ?? expect.unreachable();

describe("a scope as an array", () => {
  it("is sent as one field, separated by spaces, by each kind of request", async () => {
    respondWithToken();
    const scope = ["read", "write"];
    const client = clientWith();
    const redirectUri = "https://client.example.com/cb";
    await client.clientCredentials({ ...agent(), scope });
    await client.clientCredentials({ ...agent(), extra: { acr_values: ["a", "b"], resource: ["r1", "r2"] } });
    await client.authorizationUrl({ ...agent(), redirectUri, scope, pushed: true });
    const [grant, extra, pushed] = server.requests.map(({ form }) => form);
    expect(grant?.getAll("scope")).toEqual(["read write"]);
    expect(extra?.getAll("acr_values")).toEqual(["a b"]);
    expect(extra?.getAll("resource")).toEqual(["r1", "r2"]);
    expect(pushed?.getAll("scope")).toEqual(["read write"]);
    const { url } = await client.authorizationUrl({ ...agent(), redirectUri, scope });
    expect(new URL(url).searchParams.getAll("scope")).toEqual(["read write"]);
  });

  it("isn't sent if it is empty", async () => {
    respondWithToken();
    await clientWith().clientCredentials({ ...agent(), scope: [] });
    expect(lastForm().has("scope")).toBe(false);
  });

  it("requests an ID token if it has openid, which needs the server's keys", async () => {
    const request = { ...agent(), scope: ["openid", "read"], redirectUri: "https://client.example.com/cb" };
    await expect(clientWith().authorizationUrl(request)).rejects.toMatchObject({ code: "misconfigured" });
  });

  it("is one claim of a request object", async () => {
    const request = { ...agent(), scope: ["read", "write"], redirectUri: "https://client.example.com/cb" };
    const requestObject = { signer: MemorySigner.generate() };
    const extra = { acr_values: ["a", "b"] };
    const client = clientWith({ issuer: server.origin });
    const { url } = await client.authorizationUrl({ ...request, requestObject, extra });
    const claims = decodeJwt(new URL(url).searchParams.get("request") ?? "");
    expect(claims).toMatchObject({ scope: "read write", acr_values: "a b" });
  });

  it("finds the stored token of the same scope as text", async () => {
    respondWithToken();
    const store = memoryTokenStore();
    const options = { client: clientWith(), prover, grantType: "client_credentials", clientId: "my-agent", store };
    await tokenSource({ ...options, scope: ["read", "write"] }).token();
    await tokenSource({ ...options, scope: "read write" }).token();
    expect(server.requests).toHaveLength(1);
  });
});

describe("a field of extra that repeats another one", () => {
  const withSecret = () => ({ ...agent(), clientSecret: "s3cr3t" });

  it("isn't an override if it says the same, and is sent once", async () => {
    respondWithToken();
    const extra = { client_id: "my-agent", scope: "read", grant_type: "client_credentials" };
    await clientWith().clientCredentials({ ...agent(), scope: "read", extra });
    expect(lastForm().getAll("client_id")).toEqual(["my-agent"]);
    expect(lastForm().getAll("scope")).toEqual(["read"]);
  });

  it("is sent beside Basic if it is the client's id, as some device endpoints demand", async () => {
    const codes = { device_code: "d", user_code: "u", verification_uri: "https://auth.example.com", expires_in: 60 };
    server.respondWith(json(200, codes));
    const client = clientWith({ clientAuth: "client_secret_basic" });
    await client.deviceAuthorization({ ...withSecret(), extra: { client_id: "my-agent" } });
    expect(lastForm().getAll("client_id")).toEqual(["my-agent"]);
    await client.deviceAuthorization(withSecret());
    expect(lastForm().has("client_id")).toBe(false);
  });

  it.each<[ExtraFields]>([
    [{ client_id: "another" }],
    [{ client_id: ["my-agent", "another"] }],
    [{ client_secret: "s3cr3t" }],
    [{ grant_type: "password" }],
    [{ scope: "write" }],
    [{ resource: "https://one.example/" }],
  ])("is rejected if it says something else, or is a secret in another place: %j", async (extra) => {
    respondWithToken();
    const client = clientWith({ clientAuth: "client_secret_basic" });
    const resource = ["https://one.example/", "https://two.example/"];
    const request = { ...withSecret(), scope: "read", resource, extra };
    await expect(client.clientCredentials(request)).rejects.toMatchObject({ code: "misconfigured" });
    expect(server.requests).toHaveLength(0);
  });
});

it("rejects a second assertion beside one that is signed", async () => {
  const assertion = { signer: prover.signer, subject: "alice" };
  const request = { ...agent(), assertion, extra: { assertion: "another" } };
  await expect(clientWith().jwtBearer(request)).rejects.toMatchObject({ code: "misconfigured" });
});

it("sends each field of any form once for each value, and never two values of a list of words", () => {
  const text = fc.string();
  const values = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null), fc.array(text));
  const names = fc.constantFrom("scope", "resource", "acr_values", "x");
  fc.assert(
    fc.property(fc.dictionary(names, values), (fields) => {
      const form = createForm(fields, fields);
      for (const [name, value] of Object.entries(fields)) {
        const texts = [value ?? []].flat().map(String);
        const isList = name === "scope" || name === "acr_values";
        expect(form.getAll(name)).toEqual(isList && texts.length > 0 ? [texts.join(" ")] : texts);
      }
    }),
  );
});
