/** The registration of clients that authenticate and sign with one key. */
import type { Signer } from "hardproof";
import { calculateJwkThumbprint } from "jose";
import type { ClientRepresentation } from "./realms.js";

/** Nothing listens there: the callback isn't fetched. Keycloak's FAPI profiles require `https:`. */
export const REDIRECT_URI = "https://app.example.com/callback";

const ALGORITHM = "ES256";
const ATTRIBUTES = {
  "use.jwks.string": "true",
  "token.endpoint.auth.signing.alg": ALGORITHM,
  "request.object.signature.alg": ALGORITHM,
  "authorization.signed.response.alg": ALGORITHM,
  "id.token.signed.response.alg": ALGORITHM,
  "access.token.signed.response.alg": ALGORITHM,
  "dpop.bound.access.tokens": "true",
  "oauth2.device.authorization.grant.enabled": "true",
  "oidc.ciba.grant.enabled": "true",
  "standard.token.exchange.enabled": "true",
};

/** Adds the client to the audience of its own tokens: without it, Keycloak doesn't introspect or exchange them for it. */
const audienceMapper = (clientId: string) => ({
  name: "audience",
  protocol: "openid-connect",
  protocolMapper: "oidc-audience-mapper",
  config: {
    "included.client.audience": clientId,
    "access.token.claim": "true",
    "introspection.token.claim": "true",
  },
});

/** Returns the registration of a confidential client. */
export async function registration(
  clientId: string,
  signer: Signer,
  attributes: Readonly<Record<string, string>> = {},
): Promise<ClientRepresentation> {
  const jwk = await signer.publicJwk();
  const keys = [{ ...jwk, kid: await calculateJwkThumbprint(jwk), use: "sig" }];
  return {
    clientId,
    protocol: "openid-connect",
    clientAuthenticatorType: "client-jwt",
    serviceAccountsEnabled: true,
    redirectUris: [REDIRECT_URI],
    protocolMappers: [audienceMapper(clientId)],
    attributes: { ...ATTRIBUTES, "jwks.string": JSON.stringify({ keys }), ...attributes },
  };
}
