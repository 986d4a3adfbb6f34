/** What the profiles set, and what they refuse before anything is sent. */
import fc from "fast-check";
import {
  ALGORITHM_NAMES,
  type AlgorithmName,
  DPoPProver,
  keyObjectSigner,
  OAuthClient,
  type OAuthError,
  type Profile,
} from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { privateKeyFor } from "../../node-keys.js";
import { clientId, openIdClient } from "../../servers/openid-client.js";
import { providerKey } from "../../servers/stub-openid.js";
import { testedAlgorithms } from "../../tested-algorithms.js";

const redirectUri = "https://app.example.com/callback";
const signer = MemorySigner.generate();
const clientAuth = { method: "private_key_jwt", signer } as const;
const allowed = ["ES256", "Ed25519", "PS256"];
const profiled = await openIdClient(statusEndpoints, { profile: "fapi2", clientAuth });
const { server, key, agent } = profiled;
beforeEach(() => {
  profiled.reset();
  server.respondToToken({ access_token: "opaque", token_type: "DPoP" });
});
afterAll(() => server.close());

function statusEndpoints(origin: string) {
  return { revocation_endpoint: `${origin}/revoke`, introspection_endpoint: `${origin}/introspect` };
}
const clientOf = (options: object = {}, metadata: object = {}) => profiled.clientOf(metadata, options);
const login = () => ({ ...agent(), redirectUri, scope: "read" });
const signing: { profile: Profile } = { profile: "fapi2-message-signing" };
const errorOf = (work: () => unknown): Promise<OAuthError> =>
  (async () => work())().then(
    () => expect.unreachable(),
    (error) => error,
  );
const expectRefusal = async (work: () => unknown, profile: string, text: string) => {
  const { code, message } = await errorOf(work);
  expect({ code, message }).toEqual({ code: "misconfigured", message: expect.stringContaining(text) });
  expect(message).toContain(`The profile ${profile} `);
  expect(server.requests).toEqual([]);
};

describe("a client with the profile fapi2 is refused", () => {
  it.each<[string, object, string]>([
    ["without metadata", { metadata: undefined }, "requires the server's metadata"],
    ["with its own endpoints", { endpoints: { token: "/other" } }, "Remove the option endpoints"],
    ["with a different issuer", { issuer: "https://evil.example" }, "Remove the option issuer"],
    ["with allowInsecure", { allowInsecure: true }, "Remove the option allowInsecure"],
    ["without requiring bound tokens", { requireBinding: false }, "Remove the option requireBinding"],
    ["without client authentication", { clientAuth: undefined }, "the option clientAuth"],
    ["as a public client", { clientAuth: "none" }, "the option clientAuth"],
    ["with client_secret_post", { clientAuth: "client_secret_post" }, "the option clientAuth"],
    ["with client_secret_basic", { clientAuth: "client_secret_basic" }, "the option clientAuth"],
    ["with another audience", { clientAuth: { ...clientAuth, audience: "https://a.example" } }, "clientAuth.audience"],
    ["with ID tokens by RS256", { idTokenSignedResponseAlg: "RS256" }, "The option idTokenSignedResponseAlg is"],
    ["with JARM by ES384", { authorizationSignedResponseAlg: "ES384" }, "The option authorizationSignedResponseAlg is"],
  ])("%s", async (_, options, text) => {
    await expectRefusal(() => clientOf(options), "fapi2", text);
    await expectRefusal(() => clientOf({ ...options, ...signing }), "fapi2-message-signing", text);
  });

  it("with a name that isn't a profile", async () => {
    const { code, message } = await errorOf(() => clientOf({ profile: "fapi1" }));
    expect({ code, message }).toEqual({
      code: "misconfigured",
      message: "profile must be fapi2 or fapi2-message-signing.",
    });
  });
});

it.each([{ clientAuth: "none" }, { clientAuth, allowInsecure: true }] as const)(
  "doesn't fetch the metadata for options that the profile forbids, such as %o",
  (options) =>
    expectRefusal(() => OAuthClient.discover(server.origin, { profile: "fapi2", ...options }), "fapi2", "option"),
);

it.each(["tls_client_auth", "self_signed_tls_client_auth"] as const)("accepts %s", (method) => {
  expect(clientOf({ clientAuth: method }).requireBinding).toBe(true);
});

it("doesn't repeat an option in its error that could be a secret by mistake", async () => {
  const { message } = await errorOf(() => clientOf({ clientAuth: "s3cr3t" }));
  expect(message).not.toContain("s3cr3t");
});

it("accepts the issuer as the audience of assertions", () => {
  expect(clientOf({ clientAuth: { ...clientAuth, audience: server.origin } }).issuer).toBe(server.origin);
});

it("is refused with a typed error for options of any wrong type", () => {
  const options = ["metadata", "endpoints", "clientAuth", "issuer", "idTokenSignedResponseAlg", "requireBinding"];
  const list = "id_token_signing_alg_values_supported";
  const anything = fc.anything({ withNullPrototype: true });
  fc.assert(
    fc.property(fc.constantFrom(...options), anything, anything, (option, value, listed) => {
      for (const create of [() => clientOf({ [option]: value }), () => clientOf({}, { [list]: listed })])
        try {
          create();
        } catch (error) {
          expect(error).toMatchObject({ code: "misconfigured" });
        }
    }),
  );
});

describe("a request with the profile fapi2 is refused", () => {
  it.each<[string, (client: OAuthClient) => unknown, string]>([
    ["with a client secret", (client) => client.clientCredentials({ ...agent(), clientSecret: "s" }), "clientSecret"],
    [
      "that revokes with a secret",
      (client) => client.revoke({ clientId, clientSecret: "s", token: "t" }),
      "clientSecret",
    ],
    [
      "for unbound tokens",
      (client) => client.clientCredentials({ ...agent(), requireBinding: false }),
      "requireBinding",
    ],
    ["with a password", (client) => client.getToken({ ...agent(), grantType: "password" }), "grantType password"],
    ["in the browser's URL", (client) => client.authorizationUrl({ ...login(), pushed: false }), "the option pushed"],
    [
      "with a redirect to http:",
      (client) => client.authorizationUrl({ ...login(), redirectUri: "http://app.example.com/callback" }),
      "the option redirectUri",
    ],
  ])("%s", (_, work, text) => expectRefusal(() => work(clientOf()), "fapi2", text));

  it.each([
    ["openid", "id_token_signing_alg_values_supported", {}],
    ["read", "authorization_signing_alg_values_supported", { responseMode: "query.jwt" }],
  ])("if the server can't sign as the profile allows, with scope %s and %s", async (scope, list, more) => {
    const client = clientOf({}, { [list]: ["RS256", "none"] });
    await expectRefusal(() => client.authorizationUrl({ ...login(), scope, ...more }), "fapi2", `the server's ${list}`);
  });
});

it("a method of authentication that the server doesn't support is refused before its key is opened", async () => {
  const unopened = { ...signer, publicJwk: () => expect.unreachable(), sign: () => expect.unreachable() };
  const unsupported = { token_endpoint_auth_methods_supported: ["tls_client_auth"] };
  const client = clientOf({ clientAuth: { ...clientAuth, signer: unopened } }, unsupported);
  const error = await errorOf(() => client.clientCredentials(agent()));
  expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("private_key_jwt") });
  expect(server.requests).toEqual([]);
});

describe("with the profile fapi2, an assertion that was made elsewhere", () => {
  const made = (header: object, claims: object) =>
    [header, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".")
      .concat(".c2ln");
  const requestWith = (assertion: string) =>
    clientOf({ clientAuth: { method: "private_key_jwt", assertion: () => assertion } }).clientCredentials(agent());

  it.each<[string, object, () => object, string]>([
    ["is for another server", { alg: "ES256" }, () => ({ aud: "https://other.example" }), "as the audience"],
    [
      "is for several servers",
      { alg: "ES256" },
      () => ({ aud: [server.origin, "https://other.example"] }),
      "as the audience",
    ],
    ["is by RS256", { alg: "RS256" }, () => ({ aud: server.origin }), "allows only"],
    ["isn't signed", { alg: "none" }, () => ({ aud: server.origin }), "allows only"],
  ])("is refused if it %s", async (_, header, claims, text) => {
    await expectRefusal(() => requestWith(made(header, claims())), "fapi2", text);
  });

  it("is refused if it isn't a JWT, and sent if it is one for this server", async () => {
    await expectRefusal(() => requestWith("opaque"), "fapi2", "allows only");
    await requestWith(made({ alg: "PS256" }, { aud: server.origin }));
    expect(server.paths()).toEqual(["/token"]);
  });
});

describe("with the profile fapi2, a key", () => {
  const others = testedAlgorithms("memory").filter((algorithm) => !allowed.includes(algorithm));

  it.each(others)("for %s is refused, whatever it signs", async (algorithm) => {
    const other = keyObjectSigner(privateKeyFor(algorithm), { algorithm });
    const dpopProver = await DPoPProver.create(other);
    for (const work of [
      () => clientOf().clientCredentials({ clientId, dpopProver }),
      () =>
        clientOf()
          .deviceAuthorization({ ...agent(), dpopProver, scope: "read" })
          .then((device) => device.token()),
      () => clientOf({ clientAuth: { ...clientAuth, signer: other } }).clientCredentials(agent()),
      () => clientOf({ clientAuth: { ...clientAuth, signer: other } }).introspect({ clientId, token: "t" }),
      () => clientOf().authorizationUrl({ ...login(), requestObject: { signer: other } }),
      () => clientOf().authorizationUrl({ ...login(), dpopProver }),
      () => clientOf().jwtBearer({ ...agent(), assertion: { signer: other, subject: "alice" } }),
    ])
      await expectRefusal(work, "fapi2", `is for ${algorithm}.`);
  });

  it.each(allowed as AlgorithmName[])("for %s is accepted", async (algorithm) => {
    const other = keyObjectSigner(privateKeyFor(algorithm), { algorithm });
    const client = clientOf({ clientAuth: { ...clientAuth, signer: other } });
    const token = await client.clientCredentials({ clientId, dpopProver: await DPoPProver.create(other) });
    expect(token.accessToken).toBe("opaque");
  });
});

describe("the profile fapi2", () => {
  it("pushes every authorization request, though the server doesn't require it", async () => {
    const pending = await clientOf().authorizationUrl(login());
    expect([...new URL(pending.url).searchParams.keys()]).toEqual(["client_id", "request_uri"]);
    expect(server.paths()).toEqual(["/par"]);
    expect(server.requests[0]?.form.get("code_challenge_method")).toBe("S256");
  });

  it("requires iss in a callback, though the server doesn't promise it", async () => {
    const request = { ...agent(), redirectUri, state: "s", codeVerifier: "v".repeat(43) };
    const { code, message } = await errorOf(() =>
      clientOf().authorizationCode(`${redirectUri}?code=c&state=s`, request),
    );
    expect({ code, message }).toEqual({ code: "invalid-response", message: expect.stringContaining("iss") });
    const iss = encodeURIComponent(server.origin);
    const token = await clientOf().authorizationCode(`${redirectUri}?code=c&state=s&iss=${iss}`, request);
    expect(token.accessToken).toBe("opaque");
  });

  it("rejects a token that isn't bound", async () => {
    server.respondToToken({ access_token: "opaque", token_type: "Bearer" });
    expect(await errorOf(() => clientOf().clientCredentials(agent()))).toMatchObject({ code: "binding" });
  });

  it.each([
    ["without a list", {}],
    ["with a list that has RS256 too", { id_token_signing_alg_values_supported: ["RS256", "ES256"] }],
  ])("accepts only ID tokens by its algorithms, %s", async (_, metadata) => {
    const rsa = await providerKey("RS256", "key-2");
    server.publish(key.jwk, rsa.jwk);
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: server.origin, aud: clientId, sub: "alice", iat: now, exp: now + 60 };
    const refresh = () => clientOf({}, metadata).refresh({ ...agent(), refreshToken: "r", idTokenClaims: claims });
    server.respondToToken({ access_token: "opaque", token_type: "DPoP", id_token: await key.sign(claims) });
    expect((await refresh()).idTokenClaims).toMatchObject({ sub: "alice" });
    server.respondToToken({ access_token: "opaque", token_type: "DPoP", id_token: await rsa.sign(claims) });
    const { code, message } = await errorOf(refresh);
    expect({ code, message }).toEqual({ code: "invalid-response", message: expect.stringContaining("RS256") });
  });

  it("leaves in the metadata's lists only what it allows", () => {
    const names = fc.constantFrom("none", "HS256", "EdDSA", ...ALGORITHM_NAMES);
    fc.assert(
      fc.property(fc.array(names), (listed) => {
        const list = "authorization_signing_alg_values_supported";
        const { metadata } = clientOf({}, { [list]: listed });
        expect(metadata?.[list]).toEqual(listed.filter((name) => [...allowed, "EdDSA"].includes(name)));
      }),
    );
  });

  it("doesn't change the options or the metadata of the caller", () => {
    const metadata = server.metadata({ id_token_signing_alg_values_supported: ["RS256"] });
    const options = { baseUrl: server.origin, profile: "fapi2", clientAuth, metadata } as const;
    new OAuthClient(options);
    expect(options).toEqual({ baseUrl: server.origin, profile: "fapi2", clientAuth, metadata });
    expect(metadata).toEqual(server.metadata({ id_token_signing_alg_values_supported: ["RS256"] }));
  });
});

describe("with the profile fapi2-message-signing, a request is refused", () => {
  it("without a request object", () =>
    expectRefusal(() => clientOf(signing).authorizationUrl(login()), signing.profile, "Set the option requestObject"));

  it.each(["query", "form_post", "query.jwt"])("with the response mode %s", async (responseMode) => {
    const request = { ...login(), requestObject: { signer }, responseMode };
    const text = `the option responseMode to be jwt, not ${responseMode}`;
    await expectRefusal(() => clientOf(signing).authorizationUrl(request), signing.profile, text);
    const callback = { ...agent(), redirectUri, state: "s", codeVerifier: "v".repeat(43), responseMode };
    const complete = () => clientOf(signing).authorizationCode(`${redirectUri}?code=c&state=s`, callback);
    await expectRefusal(complete, signing.profile, text);
  });
});
