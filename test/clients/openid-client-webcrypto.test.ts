/** openid-client with its own `PrivateKeyJwt` and DPoP handle, over keys of an HSM. */

import { DPoPProver } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { restoreSubtleCrypto, toCryptoKeyPair } from "hardproof/webcrypto";
import * as client from "openid-client";
import { afterAll, expect, it } from "vitest";
import { type ClientUnderTest, describeTwoHardwareKeys, type HardwareKeys } from "./two-hardware-keys.js";

afterAll(restoreSubtleCrypto);

async function connect(keys: HardwareKeys): Promise<ClientUnderTest> {
  const { issuer, clientId, proofSigner, assertionSigner, assertionKeyId } = keys;
  const { privateKey } = await toCryptoKeyPair(assertionSigner);
  const clientAuth = client.PrivateKeyJwt({ key: privateKey, kid: assertionKeyId });
  const options = { execute: [client.allowInsecureRequests] };
  const config = await client.discovery(new URL(issuer), clientId, undefined, clientAuth, options);
  const DPoP = client.getDPoPHandle(config, await toCryptoKeyPair(proofSigner));
  return {
    clientCredentials: (scope) => client.clientCredentialsGrant(config, { scope }, { DPoP }),
    async pushedAuthorizationUrl({ redirectUri, scope, codeVerifier }) {
      const code_challenge = await client.calculatePKCECodeChallenge(codeVerifier);
      const parameters = { redirect_uri: redirectUri, scope, code_challenge, code_challenge_method: "S256" };
      return client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP });
    },
    authorizationCode: (callback, { codeVerifier }) =>
      client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: codeVerifier }, undefined, { DPoP }),
    refresh: (refreshToken) => client.refreshTokenGrant(config, refreshToken, undefined, { DPoP }),
    resource: (url, accessToken) =>
      client.fetchProtectedResource(config, accessToken, new URL(url), "GET", undefined, undefined, { DPoP }),
  };
}

describeTwoHardwareKeys("openid-client", connect);

it("calculates the thumbprint of the signer's key", async () => {
  const signer = MemorySigner.generate();
  const metadata = { issuer: "https://auth.example", token_endpoint: "https://auth.example/token" };
  const config = new client.Configuration(metadata, "agent");
  const handle = client.getDPoPHandle(config, await toCryptoKeyPair(signer));
  expect(await handle.calculateThumbprint()).toBe((await DPoPProver.create(signer)).jkt);
});
