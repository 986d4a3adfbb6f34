/** oauth4webapi with its own `PrivateKeyJwt` and DPoP handle, over keys of an HSM. */
import { restoreSubtleCrypto, toCryptoKeyPair } from "hardproof/webcrypto";
import * as oauth from "oauth4webapi";
import { afterAll } from "vitest";
import { type ClientUnderTest, describeTwoHardwareKeys, type HardwareKeys } from "./two-hardware-keys.js";

afterAll(restoreSubtleCrypto);

async function connect(keys: HardwareKeys): Promise<ClientUnderTest> {
  const { issuer, clientId, proofSigner, assertionSigner, assertionKeyId } = keys;
  const { privateKey: key } = await toCryptoKeyPair(assertionSigner);
  const clientAuth = oauth.PrivateKeyJwt({ key, kid: assertionKeyId });
  const client: oauth.Client = { client_id: clientId };
  const http = { [oauth.allowInsecureRequests]: true };
  const url = new URL(issuer);
  const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, http));
  const options = { ...http, DPoP: oauth.DPoP(client, await toCryptoKeyPair(proofSigner)) };
  return {
    clientCredentials: (scope) =>
      withNonce(async () => {
        const response = await oauth.clientCredentialsGrantRequest(as, client, clientAuth, { scope }, options);
        return oauth.processClientCredentialsResponse(as, client, response);
      }),
    pushedAuthorizationUrl: ({ redirectUri, scope, codeVerifier }) =>
      withNonce(async () => {
        const code_challenge = await oauth.calculatePKCECodeChallenge(codeVerifier);
        const pkce = { code_challenge, code_challenge_method: "S256" };
        const parameters = { response_type: "code", redirect_uri: redirectUri, scope, ...pkce };
        const response = await oauth.pushedAuthorizationRequest(as, client, clientAuth, parameters, options);
        const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, response);
        return new URL(`${as.authorization_endpoint}?${new URLSearchParams({ client_id: clientId, request_uri })}`);
      }),
    authorizationCode: (callback, { redirectUri, codeVerifier }) =>
      withNonce(async () => {
        const parameters = oauth.validateAuthResponse(as, client, callback);
        const request = [as, client, clientAuth, parameters, redirectUri, codeVerifier, options] as const;
        const response = await oauth.authorizationCodeGrantRequest(...request);
        return oauth.processAuthorizationCodeResponse(as, client, response);
      }),
    refresh: (refreshToken) =>
      withNonce(async () => {
        const response = await oauth.refreshTokenGrantRequest(as, client, clientAuth, refreshToken, options);
        return oauth.processRefreshTokenResponse(as, client, response);
      }),
    resource: (url, accessToken) =>
      withNonce(() => oauth.protectedResourceRequest(accessToken, "GET", new URL(url), undefined, undefined, options)),
  };
}

/** The retry that its documentation leaves to the caller. */
async function withNonce<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return request();
  }
}

describeTwoHardwareKeys("oauth4webapi", connect);
