/** Grants that oidc-provider doesn't implement: token exchange (RFC 8693) and JWT bearer (RFC 7523). */
import { decodeProtectedHeader, importJWK, type JWK, type JWTPayload, jwtVerify } from "jose";
import type { Provider, TokenEndpointGrantContext } from "oidc-provider";
import { checkDpopReplay, validateDpop } from "oidc-provider/lib/helpers/grants.js";
import { resourceServerInfo } from "./authorization-policy.js";
import { peerCertificate } from "./mutual-tls.js";
import { errors } from "./oidc-provider.js";

/** The grant type of token exchange (RFC 8693 §2.1). */
export const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
/** The grant type of JWT assertions (RFC 7523 §2.1). */
export const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";

interface Parameters {
  audience?: string;
  resource?: string | string[];
  scope?: string;
  subject_token?: string;
  subject_token_type?: string;
  actor_token?: string;
  actor_token_type?: string;
  requested_token_type?: string;
  assertion?: string;
}
type Context = TokenEndpointGrantContext<Parameters>;

/** @param key - The server's signing key. Only its tokens can be exchanged. */
export function registerGrants(provider: Provider, key: JWK, audience: string): void {
  const names = ["audience", "resource", "scope", "subject_token", "subject_token_type", "actor_token"];
  const params = [...names, "actor_token_type", "requested_token_type", "assertion"];
  provider.registerGrantType<Parameters>(TOKEN_EXCHANGE, (ctx) => exchange(ctx, key, audience), params, ["resource"]);
  provider.registerGrantType<Parameters>(JWT_BEARER, (ctx) => bearer(ctx, audience), params);
}

/** Issues a token with the subject and the actor as claims (RFC 8693 §4.1). */
async function exchange(ctx: Context, key: JWK, audience: string): Promise<void> {
  const { params } = ctx.oidc;
  for (const type of [params.subject_token_type, params.requested_token_type, params.actor_token_type ?? ACCESS_TOKEN])
    if (type !== ACCESS_TOKEN) throw new errors.InvalidRequest(`unsupported token type: ${type}`);
  const subject = await verify(params.subject_token, key);
  const actor = params.actor_token === undefined ? undefined : await verify(params.actor_token, key);
  const claims = { for: subject.sub, ...(actor && { act: { sub: actor.sub, client_id: actor.client_id } }) };
  const resource = params.audience ?? [params.resource].flat()[0] ?? audience;
  await issue(ctx, { resource, scope: params.scope ?? String(subject.scope), claims });
  ctx.body = { ...(ctx.body as object), issued_token_type: ACCESS_TOKEN };
}

/** Accepts an assertion by one of the client's keys, once. */
async function bearer(ctx: Context, audience: string): Promise<void> {
  const { client, params, provider } = ctx.oidc;
  const { kid } = decodeProtectedHeader(params.assertion ?? "");
  const key = ((client.jwks?.keys ?? []) as JWK[]).find((jwk) => jwk.kid === kid);
  if (!key) throw new errors.InvalidGrant("the client doesn't have this key");
  const { iss, sub, aud, jti, exp } = await verify(params.assertion, key);
  if (iss !== client.clientId || aud !== provider.issuer)
    throw new errors.InvalidGrant("wrong issuer or audience of the assertion");
  const isFirstUse = await provider.ReplayDetection.unique(`assertion of ${iss}`, String(jti), exp ?? 0);
  if (!isFirstUse) throw new errors.InvalidGrant("the assertion was used before");
  await issue(ctx, { resource: audience, scope: params.scope, claims: { for: sub } });
}

async function issue(ctx: Context, grant: { resource: string; scope: string | undefined; claims: object }) {
  const { client, provider } = ctx.oidc;
  const proof = await validateDpop(provider, ctx);
  await checkDpopReplay(provider, ctx, proof, client.clientId);
  const token = new provider.ClientCredentials({ client, scope: grant.scope });
  token.resourceServer = new provider.ResourceServer(grant.resource, resourceServerInfo(grant.resource));
  if (proof) token.setThumbprint("jkt", proof.thumbprint);
  if (client.tlsClientCertificateBoundAccessTokens)
    token.setThumbprint("x5t", peerCertificate(ctx.socket)?.certificate ?? "");
  ctx.state.claims = grant.claims;
  ctx.body = {
    access_token: await token.save(),
    token_type: token.tokenType,
    expires_in: token.expiration,
    scope: token.scope,
  };
}

async function verify(jwt: string | undefined, key: JWK): Promise<JWTPayload> {
  try {
    const { d: _, ...publicKey } = key;
    return (await jwtVerify(jwt ?? "", await importJWK(publicKey, "ES256"))).payload;
  } catch (cause) {
    throw new errors.InvalidGrant(`invalid token or assertion: ${cause}`);
  }
}
