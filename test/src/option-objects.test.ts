/** Options that aren't what the types say, as JavaScript callers and configuration files pass them. */
import {
  DPoPProver,
  dpopFetch,
  encryptedTokenStore,
  HardproofError,
  OAuthClient,
  privateKeyJwt,
  proofFetch,
  proofSession,
  tokenSource,
} from "hardproof";
import { beforeAll, describe, expect, it } from "vitest";

/** Passes any value as any type. */
// biome-ignore lint/suspicious/noExplicitAny: the values contradict the types on purpose
const any = (value: unknown): any => value;

let prover: DPoPProver;
let sent = 0;
let client: OAuthClient;
beforeAll(async () => {
  prover = await DPoPProver.generate();
  client = clientWith({});
});

const clientWith = (options: object) => new OAuthClient({ baseUrl: "https://auth.example.com", fetch, ...options });
const fetch = async () => {
  sent++;
  return Response.json({ access_token: "opaque" });
};
const agent = (more: object = {}) => any({ clientId: "my-agent", dpopProver: prover, ...more });

/** Returns what a call throws, or rejects with. */
async function thrownBy(call: () => unknown): Promise<unknown> {
  sent = 0;
  try {
    await call();
  } catch (reason) {
    return reason;
  }
  return undefined;
}

const wrongValues = [undefined, null, 7, "text", {}, []];

describe("an option object with a missing or wrong member", () => {
  it.each<[string, object, string]>([
    ["clientAuth without a signer", { method: "private_key_jwt" }, "clientAuth.signer"],
    ["clientAuth with a signer that isn't one", { method: "private_key_jwt", signer: {} }, "clientAuth.signer"],
    ["clientAuth with a wrong method", { method: "private_key" }, "clientAuth"],
    ["clientAuth with a wrong typ", { method: "private_key_jwt", signer: any(signerOf), typ: 7 }, "clientAuth.signer"],
    ["clientAuth with a wrong assertion", { method: "private_key_jwt", assertion: "a.b.c" }, "clientAuth.assertion"],
    ["clientAuth with a wrong file", { method: "private_key_jwt", assertion: { file: "" } }, "clientAuth.assertion"],
  ])("is refused when the client is created: %s", async (_, clientAuth, option) => {
    const error = await thrownBy(() => clientWith({ clientAuth }));
    expect(error).toMatchObject({ name: "OAuthError", code: "misconfigured" });
    expect(String(error)).toContain(option);
  });

  it.each<[string, (value: unknown) => unknown, string]>([
    ["clientAuth", (clientAuth) => clientWith({ clientAuth: clientAuth ?? { method: "none" } }), "clientAuth"],
    ["requestObject", (value) => client.authorizationUrl(agent({ ...redirect, requestObject: value ?? {} })), "signer"],
    ["assertion", (value) => client.jwtBearer(agent({ assertion: value === "text" ? "" : value })), "assertion"],
    ["privateKeyJwt", (value) => privateKeyJwt(any(value)), "privateKeyJwt"],
    ["clientAssertion", (value) => proofFetch(any({ prover, clientAssertion: value ?? {} })), "clientAssertion"],
    ["tokenSource", (value) => tokenSource(any(value)), ""],
    ["tokenSource.client", (value) => tokenSource(any({ client: value, prover, ...grant })), "client"],
    ["tokenSource.prover", (value) => tokenSource(any({ client, prover: value, ...grant })), "rover"],
    ["dpopFetch.token", (value) => dpopFetch(any({ prover, token: value === "text" ? null : value })), "token"],
    ["OAuthClient", (value) => new OAuthClient(any(value)), ""],
    ["metadata", (value) => clientWith({ metadata: value ?? {} }), "metadata"],
    ["resource", (value) => client.clientCredentials(agent({ resource: [value].flat()[0] ?? 7 })), "resource"],
    ["dpopProver", (value) => client.clientCredentials(any({ clientId: "x", dpopProver: value })), "dpopProver"],
    ["request", (value) => client.clientCredentials(any(value)), ""],
    ["device request", (value) => client.deviceAuthorization(any(value)), ""],
    ["backchannel request", (value) => client.backchannelAuthentication(any(value)), ""],
    ["authorization request", (value) => client.authorizationUrl(any(value)), ""],
    ["refresh request", (value) => client.refresh(any(value)), ""],
    ["exchange request", (value) => client.exchangeToken(any(value)), ""],
    ["introspection request", (value) => client.introspect(any(value)), ""],
    ["revocation request", (value) => client.revoke(any(value)), ""],
    ["code request", (value) => client.authorizationCode("https://c.example.com/?code=c&state=s", any(value)), ""],
    ["callback", (value) => client.authorizationCode(any(value), agent({ ...redirect, ...pending })), "callback"],
    ["encryptedTokenStore", (value) => encryptedTokenStore(any(value)), "key"],
  ])("is refused with a typed error before anything is sent: %s", async (_, call, option) => {
    for (const value of wrongValues) {
      const error = await thrownBy(() => call(value));
      const shown = JSON.stringify(value) ?? "undefined";
      expect(error, shown).toBeInstanceOf(HardproofError);
      expect(String(error), shown).toContain(option);
      expect(sent, shown).toBe(0);
    }
  });

  it.each<[string, (value: unknown) => unknown]>([
    ["dpopFetch", (value) => dpopFetch(any(value))],
    ["proofFetch", (value) => proofFetch(any(value))],
    ["proofSession", (value) => proofSession(any(value))],
  ])("is refused with a typed error: %s", async (_, call) => {
    for (const value of wrongValues) expect(await thrownBy(() => call(value))).toBeInstanceOf(HardproofError);
  });
});

const redirect = { redirectUri: "https://client.example.com/cb" };
const pending = { state: "s", codeVerifier: "v".repeat(43) };
const grant = { grantType: "client_credentials", clientId: "my-agent" };
const signerOf = { sign: 1 };
