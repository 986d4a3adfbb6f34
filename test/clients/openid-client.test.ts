/** openid-client with `proofFetch`, and with `privateKeyJwt`. */
import { DPoPProver, type ProofFetch, privateKeyJwt, proofFetch } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt } from "jose";
import * as client from "openid-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer, confidential } from "../servers/authorization-server.js";
import { errorOf } from "../servers/stub-resource.js";
import { type ClientUnderTest, describeTwoHardwareKeys, type HardwareKeys } from "./two-hardware-keys.js";

async function connect(keys: HardwareKeys): Promise<ClientUnderTest> {
  const { issuer, clientId, proofSigner, assertionSigner } = keys;
  const fetch = proofFetch({
    prover: await DPoPProver.create(proofSigner),
    clientAssertion: { signer: assertionSigner, clientId, audience: issuer },
  });
  const config = await client.discovery(new URL(issuer), clientId, undefined, client.None(), {
    [client.customFetch]: fetch,
    execute: [client.allowInsecureRequests],
  });
  return {
    clientCredentials: (scope) => client.clientCredentialsGrant(config, { scope }),
    async pushedAuthorizationUrl({ redirectUri, scope, codeVerifier }) {
      const code_challenge = await client.calculatePKCECodeChallenge(codeVerifier);
      const parameters = { redirect_uri: redirectUri, scope, code_challenge, code_challenge_method: "S256" };
      return client.buildAuthorizationUrlWithPAR(config, parameters);
    },
    authorizationCode: (callback, { codeVerifier }) =>
      client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: codeVerifier }),
    refresh: (refreshToken) => client.refreshTokenGrant(config, refreshToken),
    resource: (url, accessToken) => client.fetchProtectedResource(config, accessToken, new URL(url), "GET"),
  };
}

describeTwoHardwareKeys("openid-client by proofFetch", connect);

it("openid-client reports an error of proofFetch as the cause of its own error", async () => {
  const endpoints = { issuer: "https://auth.example", token_endpoint: "https://auth.example/token" };
  const config = new client.Configuration(endpoints, "agent", undefined, client.None());
  config[client.customFetch] = proofFetch({
    prover: await DPoPProver.generate(),
    allowedOrigins: ["https://a.example"],
  });
  const error = await errorOf(client.clientCredentialsGrant(config, {}));
  expect(error).toMatchObject({ name: "ClientError", cause: { name: "DPoPError", code: "forbidden-origin" } });
});

describe("openid-client with privateKeyJwt", () => {
  const signer = MemorySigner.generate();
  let as: AuthorizationServer;
  beforeAll(async () => {
    const { jkt, publicJwk } = await DPoPProver.create(signer);
    const jwks = { keys: [{ ...publicJwk, alg: "ES256", kid: jkt, use: "sig" }] };
    const method = "private_key_jwt" as const;
    as = await authorizationServer({
      clients: [{ ...confidential, client_id: "agent-7", token_endpoint_auth_method: method, jwks }],
    });
  });
  afterAll(() => as.close());

  const discover = (fetch?: ProofFetch) =>
    client.discovery(new URL(as.issuer), "agent-7", undefined, privateKeyJwt({ signer }), {
      ...(fetch && { [client.customFetch]: fetch }),
      execute: [client.allowInsecureRequests],
    });
  const assertionIds = () =>
    as.requests
      .filter(({ method }) => method === "POST")
      .map(({ body }) => decodeJwt(new URLSearchParams(body).get("client_assertion") ?? "").jti);
  const statuses = (since: number) => as.requests.slice(since).map(({ status }) => status);

  it("gets a token without DPoP", async () => {
    const config = await discover();
    expect(await client.clientCredentialsGrant(config, {})).toMatchObject({ token_type: "bearer" });
  });

  it("signs a new assertion when the library answers a nonce challenge with its own DPoP handle", async () => {
    const config = await discover();
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
    const since = as.requests.length;
    for (let turn = 0; turn < 2; turn++) {
      as.rotateNonces();
      const { access_token } = await client.clientCredentialsGrant(config, {}, { DPoP });
      expect(decodeJwt(access_token)).toMatchObject({ cnf: { jkt: await DPoP.calculateThumbprint() } });
    }
    expect(statuses(since)).toEqual([400, 200, 400, 200]);
    expect(new Set(assertionIds()).size).toBe(assertionIds().length);
  });

  it("gets the challenge from proofFetch, which never repeats its assertion, and succeeds when it is called again", async () => {
    const prover = await DPoPProver.generate();
    const config = await discover(proofFetch({ prover }));
    const since = as.requests.length;
    const error = await errorOf(client.clientCredentialsGrant(config, {}));
    expect(error).toMatchObject({ error: "use_dpop_nonce" });
    const { access_token } = await client.clientCredentialsGrant(config, {});
    expect(decodeJwt(access_token)).toMatchObject({ cnf: { jkt: prover.jkt } });
    expect(statuses(since)).toEqual([400, 200]);
    expect(new Set(assertionIds()).size).toBe(assertionIds().length);
  });
});
