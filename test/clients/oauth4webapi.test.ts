/** oauth4webapi with `proofFetch`. */
import { DPoPProver, proofFetch } from "hardproof";
import * as oauth from "oauth4webapi";
import { type ClientUnderTest, describeTwoHardwareKeys, type HardwareKeys } from "./two-hardware-keys.js";

/** One call of the library for each method: a challenge never reaches it. */
async function connect(keys: HardwareKeys): Promise<ClientUnderTest> {
  const { issuer, clientId, proofSigner, assertionSigner: signer } = keys;
  const client: oauth.Client = { client_id: clientId };
  const url = new URL(issuer);
  const http = { [oauth.allowInsecureRequests]: true };
  const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, http));
  const prover = await DPoPProver.create(proofSigner);
  const fetch = proofFetch({ prover, clientAssertion: { signer, clientId, endpoints: as } });
  const options = { ...http, [oauth.customFetch]: fetch };
  const none = oauth.None();
  return {
    async clientCredentials(scope) {
      const response = await oauth.clientCredentialsGrantRequest(as, client, none, { scope }, options);
      return oauth.processClientCredentialsResponse(as, client, response);
    },
    async pushedAuthorizationUrl({ redirectUri, scope, codeVerifier }) {
      const code_challenge = await oauth.calculatePKCECodeChallenge(codeVerifier);
      const pkce = { code_challenge, code_challenge_method: "S256" };
      const parameters = { response_type: "code", redirect_uri: redirectUri, scope, ...pkce };
      const response = await oauth.pushedAuthorizationRequest(as, client, none, parameters, options);
      const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, response);
      return new URL(`${as.authorization_endpoint}?${new URLSearchParams({ client_id: clientId, request_uri })}`);
    },
    async authorizationCode(callback, { redirectUri, codeVerifier }) {
      const parameters = oauth.validateAuthResponse(as, client, callback);
      const request = [as, client, none, parameters, redirectUri, codeVerifier, options] as const;
      const response = await oauth.authorizationCodeGrantRequest(...request);
      return oauth.processAuthorizationCodeResponse(as, client, response);
    },
    async refresh(refreshToken) {
      const response = await oauth.refreshTokenGrantRequest(as, client, none, refreshToken, options);
      return oauth.processRefreshTokenResponse(as, client, response);
    },
    resource: (url, accessToken) =>
      oauth.protectedResourceRequest(accessToken, "GET", new URL(url), undefined, undefined, options),
  };
}

describeTwoHardwareKeys("oauth4webapi by proofFetch", connect);
