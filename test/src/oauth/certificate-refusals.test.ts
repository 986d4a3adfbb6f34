/** Which bindings a client accepts, and what it refuses before it sends anything. A stub issues what oidc-provider can't. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { inspect } from "node:util";
import { type OAuthClient, type TokenBinding, tokenSource } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { byCertificate, certificate, certificateClient, otherX5t, x5t } from "../../servers/certificate-client.js";
import { json } from "../../servers/stub-server.js";

const { server, prover, newClient } = await certificateClient();
afterAll(() => server.close());

const agent = { clientId: "my-agent" };
const jwt = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;
const issue = (fields: object) =>
  server.respondWith(json(200, { access_token: "opaque", token_type: "Bearer", ...fields }));

describe("the binding of a token", () => {
  const requests: Record<string, TokenBinding> = {};
  beforeAll(() => {
    requests.key = { dpopProver: prover };
    requests.certificate = { binding: "certificate" };
    requests.both = { dpopProver: prover, binding: "certificate" };
  });

  /** All combinations of a request and the statements of a response. */
  const cases = product({
    request: ["key", "certificate", "both"],
    configured: [true, false],
    required: [true, false],
    type: ["Bearer", "DPoP", undefined],
    jkt: ["none", "ours", "other"],
    x5t: ["none", "ours", "other"],
    place: ["response", "JWT"],
  }).filter(({ request, configured }) => configured || request === "key");

  function isAcceptable({ request, configured, required, type, jkt, x5t }: (typeof cases)[number]): boolean {
    const hasProof = request !== "certificate";
    if (jkt === "other" || (!hasProof && (jkt === "ours" || type === "DPoP"))) return false;
    if (x5t === "other" && configured) return false;
    const confirmsKey = !hasProof || jkt === "ours" || type === "DPoP";
    const confirmsCertificate = request === "key" || x5t === "ours";
    return !required || (confirmsKey && confirmsCertificate);
  }

  it.each(["key", "certificate", "both"])("is checked in every response to a request with binding %s", async (kind) => {
    const thumbprints = { jkt: { ours: prover.jkt, other: "other" }, x5t: { ours: x5t, other: otherX5t } };
    const accepted = new Set<boolean>();
    for (const each of cases.filter(({ request }) => request === kind)) {
      const jkt = each.jkt === "none" ? undefined : thumbprints.jkt[each.jkt];
      const cnf = { jkt, "x5t#S256": each.x5t === "none" ? undefined : thumbprints.x5t[each.x5t] };
      issue({ token_type: each.type, ...(each.place === "JWT" ? { access_token: jwt({ cnf }) } : { cnf }) });
      const client = newClient(each.configured ? {} : { certificate: undefined });
      const request = { ...agent, ...(requests[kind] as TokenBinding), requireBinding: each.required };
      const outcome = await client.clientCredentials(request).catch((error) => error.code);
      const expected = isAcceptable(each);
      accepted.add(expected);
      if (expected)
        expect(outcome, inspect(each)).toMatchObject({ cnfJkt: jkt ?? null, cnfX5t: cnf["x5t#S256"] ?? null });
      else expect(outcome, inspect(each)).toBe("binding");
    }
    expect(accepted).toEqual(new Set([true, false]));
  });

  it("may be both a key and a certificate, which the proof and the connection show", async () => {
    issue({ token_type: "DPoP", access_token: jwt({ cnf: { jkt: prover.jkt, "x5t#S256": x5t } }) });
    const request = { ...byCertificate, dpopProver: prover, requireBinding: true };
    expect(await newClient().clientCredentials(request)).toMatchObject({ cnfJkt: prover.jkt, cnfX5t: x5t });
    expect(server.requests[0]?.headers).toHaveProperty("dpop");
  });

  it("is named in the error, with what was expected", async () => {
    const messageOf = (request: Parameters<OAuthClient["clientCredentials"]>[0]) =>
      newClient()
        .clientCredentials(request)
        .then(String, (error) => error.message);
    issue({ cnf: { "x5t#S256": otherX5t } });
    expect(await messageOf(byCertificate)).toContain(
      `bound to certificate ${otherX5t}, not to the client's certificate ${x5t}`,
    );
    issue({ cnf: { jkt: "other" } });
    expect(await messageOf(byCertificate)).toContain("bound to key other, but no proof was sent");
    issue({ token_type: "DPoP" });
    expect(await messageOf(byCertificate)).toContain("bound to a key by DPoP, but no proof was sent");
    issue({});
    expect(await messageOf({ ...byCertificate, requireBinding: true })).toContain("isn't bound to a certificate");
  });

  it("is shown by inspect, and a missing token_type of a certificate-bound token is Bearer", async () => {
    issue({ token_type: undefined, cnf: { "x5t#S256": x5t } });
    const token = await newClient().clientCredentials(byCertificate);
    expect(token.tokenType).toBe("Bearer");
    expect(inspect(token)).toContain(`cnfX5t: '${x5t}'`);
    expect(inspect(token)).not.toContain("opaque");
  });
});

describe("a request for a certificate-bound token", () => {
  const misconfigured = { code: "misconfigured" };
  const redirectUri = "http://127.0.0.1/callback";

  it("needs a client with the certificate, and sends nothing without it", async () => {
    issue({});
    const client = newClient({ certificate: undefined });
    const error = { code: "misconfigured", message: expect.stringContaining("option certificate") };
    await expect(client.clientCredentials(byCertificate)).rejects.toMatchObject(error);
    await expect(client.authorizationUrl({ ...byCertificate, redirectUri })).rejects.toMatchObject(error);
    await expect(client.deviceAuthorization(byCertificate)).rejects.toMatchObject(error);
    await expect(client.clientCredentials({ ...byCertificate, dpopProver: prover })).rejects.toMatchObject(error);
    const options = { ...byCertificate, client, grantType: "client_credentials" };
    expect(() => tokenSource(options)).toThrow(expect.objectContaining(error));
    expect(server.requests).toEqual([]);
  });

  it("needs a fetch that presents the certificate", () => {
    const error = expect.objectContaining({ code: "misconfigured", message: expect.stringContaining("fetch") });
    expect(() => newClient({ fetch: undefined })).toThrow(error);
    const clientAuth = "self_signed_tls_client_auth";
    expect(() => newClient({ certificate: undefined, fetch: undefined, clientAuth })).toThrow(error);
  });

  it.each([
    ["a private key", certificate.key],
    ["a text", "not a certificate"],
    ["other bytes", new Uint8Array([0x30, 0])],
  ])("rejects %s as the certificate, without repeating it", (_, bad) => {
    const [, secret = "not a certificate"] = /-----\n(.{20})/.exec(String(bad)) ?? [];
    expect(() => newClient({ certificate: bad })).toThrow(
      expect.objectContaining({ code: "misconfigured", message: expect.not.stringContaining(secret) }),
    );
  });

  it.each([
    ["neither a prover nor a binding", {}],
    ["another binding", { binding: "tls" }],
    ["another binding with a prover", { binding: "tls", dpopProver: true }],
    ["something else as prover", { binding: "certificate", dpopProver: {} }],
  ])("is rejected with %s", async (_, wrong) => {
    const request = {
      ...agent,
      ...wrong,
      ...("dpopProver" in wrong && wrong.dpopProver === true && { dpopProver: prover }),
    };
    issue({});
    await expect(newClient().clientCredentials(request as never)).rejects.toMatchObject(misconfigured);
    await expect(newClient().authorizationUrl({ ...request, redirectUri } as never)).rejects.toMatchObject(
      misconfigured,
    );
    expect(server.requests).toEqual([]);
  });

  it("is sent to mtls_endpoint_aliases (RFC 8705 §5) with any client authentication, but the browser isn't", async () => {
    const url = (path: string) => server.origin + path;
    const metadata = {
      issuer: server.origin,
      authorization_endpoint: url("/authorize"),
      token_endpoint: url("/token"),
      pushed_authorization_request_endpoint: url("/par"),
      mtls_endpoint_aliases: {
        authorization_endpoint: url("/mtls/authorize"),
        token_endpoint: url("/mtls/token"),
        pushed_authorization_request_endpoint: url("/mtls/par"),
      },
    };
    const clientAuth = { method: "private_key_jwt", signer: MemorySigner.generate() } as const;
    const client = newClient({ metadata, clientAuth });
    issue({ request_uri: "urn:1" });
    await client.clientCredentials(byCertificate);
    const pending = await client.authorizationUrl({ ...byCertificate, redirectUri, pushed: true });
    expect(server.requests.map(({ path }) => path)).toEqual(["/mtls/token", "/mtls/par"]);
    expect(new URL(pending.url).pathname).toBe("/authorize");
  });

  it("is traced with the certificate's thumbprint", async () => {
    const messages: object[] = [];
    const listener = (message: unknown) => messages.push({ ...Object(message) });
    subscribe("tracing:hardproof.token:start", listener);
    issue({});
    await newClient().clientCredentials(byCertificate);
    await newClient().clientCredentials({ ...agent, dpopProver: prover });
    unsubscribe("tracing:hardproof.token:start", listener);
    expect(messages).toMatchObject([
      { x5t, jkt: undefined, uri: undefined },
      { jkt: prover.jkt, uri: "memory:" },
    ]);
    expect(messages[1]).not.toHaveProperty("x5t");
  });
});

function product<const T extends Record<string, readonly unknown[]>>(
  lists: T,
): { [Name in keyof T]: T[Name][number] }[] {
  const combine = (rows: object[], [name, values]: [string, readonly unknown[]]) =>
    rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value })));
  return Object.entries(lists).reduce(combine, [{}]) as { [Name in keyof T]: T[Name][number] }[];
}
