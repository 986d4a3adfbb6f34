/** `privateKeyJwt`: a function for the `ClientAuth` of openid-client and oauth4webapi. */
import { type ClientAuthFunction, DPoPProver, OAuthError, privateKeyJwt } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { compactVerify, decodeJwt, decodeProtectedHeader, importJWK } from "jose";
import type * as oauth from "oauth4webapi";
import type * as openid from "openid-client";
import { expect, expectTypeOf, it } from "vitest";
import { errorOf } from "../../servers/stub-resource.js";

const signer = MemorySigner.generate();
const as = { issuer: "https://auth.example.com" };
const client = { client_id: "my-agent" };

async function sign(auth: ClientAuthFunction, more = {}, body = new URLSearchParams({ scope: "read" })) {
  const headers = new Headers();
  await auth({ ...as, ...more }, client, body, headers);
  expect([...headers]).toEqual([]);
  return body;
}

it("has the type that both libraries accept", () => {
  expectTypeOf<ClientAuthFunction>().toExtend<openid.ClientAuth>();
  expectTypeOf<ClientAuthFunction>().toExtend<oauth.ClientAuth>();
  expectTypeOf(privateKeyJwt).returns.toEqualTypeOf<ClientAuthFunction>();
});

it("sets the fields of private_key_jwt, with an assertion for the issuer", async () => {
  const body = await sign(privateKeyJwt({ signer }));
  expect(Object.fromEntries(body)).toEqual({
    scope: "read",
    client_id: "my-agent",
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: expect.stringMatching(/^ey/),
  });
  const assertion = body.get("client_assertion") ?? "";
  const { iat = 0, ...claims } = decodeJwt(assertion);
  expect(claims).toEqual({ iss: "my-agent", sub: "my-agent", aud: as.issuer, jti: expect.any(String), exp: iat + 60 });
  await compactVerify(assertion, await importJWK({ ...(await signer.publicJwk()) }));
  const { jkt } = await DPoPProver.create(signer);
  expect(decodeProtectedHeader(assertion)).toEqual({ alg: "ES256", typ: "JWT", kid: jkt });
});

it("signs a new assertion each time, and replaces the old one", async () => {
  const auth = privateKeyJwt({ signer, keyId: null, audience: "urn:as" });
  const body = await sign(auth);
  const first = body.get("client_assertion") ?? "";
  const [second = "", ...more] = (await sign(auth, {}, body)).getAll("client_assertion");
  expect(more).toEqual([]);
  expect(decodeJwt(first).jti).not.toBe(decodeJwt(second).jti);
  expect([decodeJwt(second).aud, decodeProtectedHeader(second).kid]).toEqual(["urn:as", undefined]);
});

it("uses a name of the algorithm that the server lists, and rejects if there isn't one", async () => {
  const auth = privateKeyJwt({ signer: MemorySigner.generate({ algorithm: "Ed25519" }) });
  const listing = (...names: string[]) => ({ token_endpoint_auth_signing_alg_values_supported: names });
  const body = await sign(auth, listing("ES256", "EdDSA"));
  expect(decodeProtectedHeader(body.get("client_assertion") ?? "").alg).toBe("EdDSA");
  const error = await errorOf(sign(auth, listing("RS256")));
  expect(error).toMatchObject({ code: "misconfigured", message: expect.stringMatching(/Ed25519.*RS256/) });
});

it("throws the key's error", async () => {
  const closed = MemorySigner.generate();
  await closed.close();
  expect(await errorOf(sign(privateKeyJwt({ signer: closed })))).toMatchObject({ name: "SignerError" });
});

it.each([
  { signer: {} as never },
  { signer: undefined as never },
  { signer, audience: "" },
  { signer, keyId: 1 as never },
  undefined as never,
])("rejects the options %#", (options) => {
  expect(() => privateKeyJwt(options)).toThrow(OAuthError);
});
