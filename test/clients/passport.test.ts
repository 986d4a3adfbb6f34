/** The strategy for passport of openid-client, over keys of an HSM, by both recipes. */
import { DPoPProver, proofFetch } from "hardproof";
import { restoreSubtleCrypto, toCryptoKeyPair } from "hardproof/webcrypto";
import * as client from "openid-client";
import { Strategy, type StrategyOptions } from "openid-client/passport";
import { afterAll } from "vitest";
import { type ClientUnderTest, describeTwoHardwareKeys, type HardwareKeys, type Tokens } from "./two-hardware-keys.js";

afterAll(restoreSubtleCrypto);
const execute = [client.allowInsecureRequests];

async function withCryptoKeys(keys: HardwareKeys): Promise<ClientUnderTest> {
  const { issuer, clientId, proofSigner, assertionSigner, assertionKeyId } = keys;
  const { privateKey } = await toCryptoKeyPair(assertionSigner);
  const clientAuth = client.PrivateKeyJwt({ key: privateKey, kid: assertionKeyId });
  const config = await client.discovery(new URL(issuer), clientId, undefined, clientAuth, { execute });
  return connect(config, client.getDPoPHandle(config, await toCryptoKeyPair(proofSigner)));
}

async function withProofFetch(keys: HardwareKeys): Promise<ClientUnderTest> {
  const { issuer: audience, clientId, proofSigner, assertionSigner: signer, assertionKeyId: keyId } = keys;
  const prover = await DPoPProver.create(proofSigner);
  const config = await client.discovery(new URL(audience), clientId, undefined, client.None(), { execute });
  config[client.customFetch] = proofFetch({ prover, clientAssertion: { signer, clientId, audience, keyId } });
  return connect(config);
}

function connect(config: client.Configuration, handle?: client.DPoPHandle): ClientUnderTest {
  const DPoP = handle && { DPoP: handle };
  const session = {};
  const login = (url: URL, options: Partial<StrategyOptions>) => {
    const proofs = handle && { DPoP: () => handle };
    const strategy = new Strategy({ config, usePAR: true, ...proofs, ...options }, (tokens, done) =>
      done(null, tokens),
    );
    return authenticate(strategy, {
      session,
      method: "GET",
      protocol: "http",
      host: url.host,
      url: url.pathname + url.search,
    });
  };
  return {
    clientCredentials: (scope) => client.clientCredentialsGrant(config, { scope }, DPoP),
    pushedAuthorizationUrl: async ({ redirectUri: callbackURL, scope }) =>
      new URL(String(await login(new URL("/login", callbackURL), { callbackURL, scope }))),
    authorizationCode: async (callback, { redirectUri: callbackURL }) =>
      (await login(callback, { callbackURL })) as Tokens,
    refresh: (refreshToken) => client.refreshTokenGrant(config, refreshToken, undefined, DPoP),
    resource: (url, accessToken) =>
      client.fetchProtectedResource(config, accessToken, new URL(url), "GET", undefined, undefined, DPoP),
  };
}

/** Calls the strategy as passport does. Resolves with the URL of a redirect, or with the user. */
function authenticate(strategy: Strategy, request: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const actions = { redirect: resolve, success: resolve, fail: reject, error: reject };
    Object.assign(Object.create(strategy), actions).authenticate(request, {});
  });
}

describeTwoHardwareKeys("openid-client's strategy for passport with proofFetch", withProofFetch);
describeTwoHardwareKeys("openid-client's strategy for passport with a CryptoKey", withCryptoKeys);
