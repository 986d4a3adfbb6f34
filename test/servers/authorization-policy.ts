/** The configuration of oidc-provider: paths, lifetimes, features and plain pages. */
import type { Configuration } from "oidc-provider";
import { ATTESTATION_METHODS, attestationPolicy, type TrustedAttester } from "./attestation-policy.js";
import { backchannelPolicy } from "./backchannel-user.js";
import { peerCertificate } from "./mutual-tls.js";

/** The paths of the endpoints. */
export const routes = {
  authorization: "/oauth/authorize",
  token: "/oauth/token",
  revocation: "/oauth/revoke",
  introspection: "/oauth/introspect",
  pushed_authorization_request: "/oauth/par",
  device_authorization: "/oauth/device",
  registration: "/oauth/register",
  backchannel_authentication: "/oauth/bc-authorize",
};

const minute = 60;

interface PolicyOptions {
  requireNonce: boolean;
  audience: string;
  mutualTls: boolean;
  /** Whether to enforce the FAPI 2.0 Security Profile. */
  fapi?: boolean;
  /** Whether tokens with the scope `openid` are for the userinfo endpoint. */
  userinfo?: boolean;
  /** Accepts keys that it has attested. */
  attester?: TrustedAttester | undefined;
  /** Seconds. */
  accessTokenLifetime?: number | undefined;
  /** Allows clients to register themselves, with the token if there is one. */
  registration: { initialAccessToken?: string } | undefined;
}

/** Returns the configuration of oidc-provider. */
export function agentPolicy(options: PolicyOptions) {
  const { requireNonce, audience, mutualTls, registration, attester, fapi = false, userinfo = false } = options;
  const { accessTokenLifetime = 10 * minute } = options;
  return {
    routes,
    scopes: ["openid", "offline_access", "read", "write"],
    clientDefaults: { id_token_signed_response_alg: "ES256", authorization_signed_response_alg: "ES256" },
    ttl: {
      AccessToken: accessTokenLifetime,
      AuthorizationCode: minute,
      BackchannelAuthenticationRequest: (_ctx, request) => Number(request.params?.requested_expiry ?? 10 * minute),
      ClientCredentials: 10 * minute,
      DeviceCode: 10 * minute,
      Grant: 60 * minute,
      IdToken: 10 * minute,
      Interaction: 10 * minute,
      RefreshToken: 60 * minute,
      Session: 60 * minute,
    },
    clientAuthMethods: [
      "client_secret_basic",
      "client_secret_post",
      "private_key_jwt",
      "none",
      ...(mutualTls ? (["tls_client_auth", "self_signed_tls_client_auth"] as const) : []),
      ...(attester ? ATTESTATION_METHODS : []),
    ],
    clientBasedCORS: () => false,
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed("refresh_token"),
    rotateRefreshToken: true,
    extraTokenClaims: (ctx) => ctx.state.claims,
    renderError(ctx, out) {
      ctx.body = JSON.stringify(out);
    },
    features: {
      dPoP: { enabled: true, requireNonce: () => requireNonce },
      mTLS: {
        enabled: mutualTls,
        tlsClientAuth: mutualTls,
        selfSignedTlsClientAuth: mutualTls,
        certificateBoundAccessTokens: mutualTls,
        getCertificate: (ctx) => peerCertificate(ctx.socket)?.certificate,
        certificateAuthorized: (ctx) => peerCertificate(ctx.socket)?.authorized ?? false,
        certificateSubjectMatches: (ctx, _property, expected) =>
          peerCertificate(ctx.socket)?.certificate.subject === expected,
      },
      clientCredentials: { enabled: true },
      revocation: { enabled: true, allowedPolicy: ownTokensOnly },
      introspection: { enabled: true, allowedPolicy: ownTokensOnly },
      deviceFlow: {
        enabled: true,
        charset: "base-20",
        mask: "****-****",
        userCodeInputSource: page,
        userCodeConfirmSource: page,
        successSource: (ctx) => page(ctx, "done"),
      },
      fapi: { enabled: fapi, profile: "2.0" },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: fapi },
      ciba: backchannelPolicy(audience),
      requestObjects: { enabled: true },
      jwtResponseModes: { enabled: true },
      registration: {
        enabled: registration !== undefined,
        initialAccessToken: registration?.initialAccessToken ?? false,
      },
      attestClientAuth: attestationPolicy(attester),
      registrationManagement: { enabled: registration !== undefined, rotateRegistrationAccessToken: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_ctx, _client, oneOf) => oneOf ?? audience,
        useGrantedResource: () => !userinfo,
        getResourceServerInfo: (_ctx, resource) => resourceServerInfo(resource, accessTokenLifetime),
      },
    },
  } satisfies Configuration;
}

function ownTokensOnly(_ctx: unknown, client: { clientId: string }, token: { clientId?: string | undefined }): boolean {
  return token.clientId === client.clientId;
}

/** Returns the properties of access tokens for an audience. */
export function resourceServerInfo(audience: string, accessTokenTTL: number = 10 * minute) {
  return {
    audience,
    scope: "read write",
    accessTokenFormat: "jwt",
    accessTokenTTL,
    jwt: { sign: { alg: "ES256" } },
  } as const;
}

function page(ctx: { body: unknown }, form: string): void {
  ctx.body = form;
}
