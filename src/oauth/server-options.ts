/** The options of requests to one authorization server, and their checks. */
import { isNonceOption, NONCES_NOT_A_STORE, type NonceOption } from "../dpop/nonce-cache.js";
import { HTU_NOT_A_FUNCTION, type HtuOption, isHtuOption } from "../dpop/signed-htu.js";
import { assertFetch, assertObject, assertTimeout, misconfigured } from "./assert.js";
import { assertClientAuth, type ClientAuth, usesCertificate } from "./client-auth/client-auth.js";
import type { EndpointOptions } from "./endpoints.js";
import type { Profile } from "./profile.js";
import { assertMetadata } from "./server-metadata.js";

/** Options of an {@link AuthorizationServer}. */
export interface ServerOptions extends EndpointOptions, HtuOption, NonceOption {
  /**
   * The server's issuer identifier: the expected `iss` of a callback (RFC 9207), and the audience of assertions.
   * Default: `metadata.issuer`.
   */
  issuer?: string | undefined;
  /**
   * How the client authenticates. Default: with a client secret `client_secret_basic` if the server's metadata lists it or
   * has no list, otherwise `client_secret_post`, also without metadata; without a secret `none`.
   */
  clientAuth?: ClientAuth | undefined;
  /** Milliseconds. The time limit of one call, including its signatures and retries. Default: 10,000. */
  timeout?: number | undefined;
  /** A custom `fetch`, for example for a proxy, mutual TLS or tests. Default: the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /**
   * The client's certificate, in PEM or DER, that `fetch` presents. Of several certificates in PEM, the first. A token
   * that is bound to another certificate is rejected (RFC 8705 §3.1), and requests are sent to the server's
   * `mtls_endpoint_aliases` (§5).
   */
  certificate?: string | Uint8Array | undefined;
  /** A security profile: sets the options that it implies, and rejects those that it forbids. See docs/fapi2.md. */
  profile?: Profile | undefined;
}

/** Milliseconds. */
export const DEFAULT_TIMEOUT = 10_000;

/**
 * Checks the options, except for those of the endpoints.
 *
 * @throws {OAuthError} With code `misconfigured`.
 */
export function assertServerOptions(options: ServerOptions): void {
  const { clientAuth, metadata, fetch, timeout } = assertObject(options, "The options of the client");
  if (metadata !== undefined) assertMetadata(assertObject(metadata, "metadata"));
  if (clientAuth !== undefined) assertClientAuth(clientAuth);
  assertFetch(fetch);
  if (!isHtuOption(options)) throw misconfigured(HTU_NOT_A_FUNCTION);
  if (!isNonceOption(options)) throw misconfigured(NONCES_NOT_A_STORE);
  const needsFetch = presentsCertificate(options);
  if (needsFetch !== undefined && !fetch)
    throw misconfigured(`${needsFetch} needs the option fetch: one that presents the client's certificate.`);
  if (timeout !== undefined) assertTimeout(timeout);
}

/** Returns what makes the client present a certificate: the name of the method or of the option. */
export function presentsCertificate({ clientAuth, certificate }: ServerOptions): string | undefined {
  if (usesCertificate(clientAuth)) return clientAuth;
  return certificate === undefined ? undefined : "certificate";
}
