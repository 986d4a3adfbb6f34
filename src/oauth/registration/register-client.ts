/** Dynamic client registration (RFC 7591), and its management (RFC 7592). */
import type { Signer, SignOptions } from "../../keystore/signer.js";
import { assertObject, assertString, misconfigured } from "../assert.js";
import type { AuthorizationServer } from "../authorization-server.js";
import { assertPublicJwks, clientJwks } from "./client-jwks.js";
import {
  type ClientMetadata,
  type ClientRegistration,
  parseRegistration,
  type RegistrationAccess,
} from "./client-registration.js";

/** Options of {@link OAuthClient.updateRegistration}: what replaces the registration. */
export interface RegistrationUpdate extends SignOptions {
  /** The client's metadata. In an update, it replaces all that is registered. */
  metadata?: ClientMetadata | undefined;
  /**
   * The key of `private_key_jwt`, or several, such as the old and the new one during a rotation. Their public keys become
   * `jwks`.
   */
  signer?: Signer | readonly Signer[] | undefined;
}

/** Options of {@link OAuthClient.register}. */
export interface RegistrationRequest extends RegistrationUpdate {
  /** The token that the server requires for a registration (RFC 7591 §3), if it does. */
  initialAccessToken?: string | undefined;
  /** A signed statement about the software, from the party that the server trusts (RFC 7591 §2.3). */
  softwareStatement?: string | undefined;
}

/**
 * Registers a client. The default of `token_endpoint_auth_method` is `private_key_jwt` with a signer, and that of
 * `dpop_bound_access_tokens` is true (RFC 9449 §5.2).
 */
export async function register(server: AuthorizationServer, request: RegistrationRequest): Promise<ClientRegistration> {
  const { softwareStatement, initialAccessToken, signal } = assertObject(request, "The argument of register");
  const response = await server.sendJson({
    url: server.endpoints.url("registration"),
    method: "POST",
    token: optionalString(initialAccessToken, "initialAccessToken"),
    body: ({ signal }) => registrationBody({ ...request, signal }),
    secrets: [softwareStatement ?? ""],
    signal,
  });
  return parseRegistration(response);
}

async function registrationBody(request: RegistrationRequest): Promise<ClientMetadata> {
  const { metadata = {}, signer } = request;
  if (signer !== undefined && (metadata?.jwks !== undefined || metadata?.jwks_uri !== undefined))
    throw misconfigured("Pass either signer, or jwks or jwks_uri in metadata, not both.");
  const statement = optionalString(request.softwareStatement, "softwareStatement");
  return {
    ...(signer && { token_endpoint_auth_method: "private_key_jwt" }),
    dpop_bound_access_tokens: true,
    ...(await withKeys(metadata, request)),
    ...(statement !== undefined && { software_statement: statement }),
  };
}

/** Reads a registration (RFC 7592 §2.1). */
export async function readRegistration(
  server: AuthorizationServer,
  access: RegistrationAccess,
  options: SignOptions,
): Promise<ClientRegistration> {
  const { signal } = assertObject(options, "The options");
  return parseRegistration(await server.sendJson({ ...accessOf(server, access), method: "GET", signal }), access);
}

/** Replaces a registration (RFC 7592 §2.2). */
export async function updateRegistration(
  server: AuthorizationServer,
  access: RegistrationAccess,
  update: RegistrationUpdate,
): Promise<ClientRegistration> {
  const { metadata = {}, signal } = assertObject(update, "The update");
  const { clientId, clientSecret } = access;
  const secret = clientSecret == null ? {} : { client_secret: clientSecret };
  const body = async (options: SignOptions) => ({
    ...(await withKeys(metadata, { ...update, ...options })),
    client_id: clientId,
    ...secret,
  });
  const target = accessOf(server, access);
  const response = await server.sendJson({ ...target, method: "PUT", body, secrets: [clientSecret ?? ""], signal });
  return parseRegistration(response, access);
}

/** Deletes a registration (RFC 7592 §2.3). */
export async function deleteRegistration(
  server: AuthorizationServer,
  access: RegistrationAccess,
  options: SignOptions,
): Promise<void> {
  const { signal } = assertObject(options, "The options");
  await server.sendJson({ ...accessOf(server, access), method: "DELETE", signal });
}

/** Returns the metadata with the public keys of the signer, which replace those in the metadata. */
async function withKeys(metadata: ClientMetadata, { signer, signal }: RegistrationUpdate): Promise<ClientMetadata> {
  assertObject(metadata, "metadata");
  if (signer === undefined) {
    if (metadata.jwks != null) assertPublicJwks(metadata.jwks);
    return metadata;
  }
  const { jwks_uri: _, ...others } = metadata; // must not be registered together with jwks (RFC 7591 §2)
  return { ...others, jwks: await clientJwks(signer, { signal }) };
}

/** The URL comes from the server's response, possibly by way of the caller's storage, so it is checked before each use. */
function accessOf(server: AuthorizationServer, access: RegistrationAccess) {
  assertString(assertObject(access, "The registration").clientId, "clientId");
  const uri = assertString(access.registrationClientUri, "registrationClientUri");
  const token = assertString(access.registrationAccessToken, "registrationAccessToken");
  return { url: server.parseUrl(uri, "registration_client_uri"), token };
}

function optionalString(value: unknown, name: string): string | undefined {
  return value === undefined ? undefined : assertString(value, name);
}
