/** Client authentication by a `Signer`, for openid-client and oauth4webapi. */
import type { SignOptions } from "../../keystore/signer.js";
import { assertObject, assertString } from "../assert.js";
import { assertionAlgorithms } from "../server-metadata.js";
import { type AssertionKey, assertAssertionKey } from "./client-assertion.js";
import { authenticate, type ClientFields } from "./client-auth.js";

/** Options of {@link privateKeyJwt}. */
export interface PrivateKeyJwtOptions extends AssertionKey {
  /** The assertion's `aud`. Default: the server's issuer. */
  audience?: string | undefined;
}

/** The members of a server's metadata that {@link privateKeyJwt} reads. */
export interface AuthenticatedServer {
  /** The server's issuer identifier. */
  readonly issuer: string;
  /** The JWS algorithms that the server supports for client assertions. */
  readonly token_endpoint_auth_signing_alg_values_supported?: readonly string[] | undefined;
}

/** The member of a client's registration that {@link privateKeyJwt} reads. */
export interface AuthenticatedClient {
  /** The client's id. */
  readonly client_id: string;
}

/** A function that both libraries accept as their `ClientAuth`, and await. */
export type ClientAuthFunction = (
  as: AuthenticatedServer,
  client: AuthenticatedClient,
  body: URLSearchParams,
  headers: Headers,
) => Promise<void>;

/** What an assertion in a form is signed for. */
export interface FormAssertion extends SignOptions {
  readonly clientId: string;
  readonly audience: string;
  /** The algorithms that the server lists for client assertions, if it does. */
  readonly algorithms: readonly string[] | undefined;
  /** Returns the seconds since 1970. */
  readonly now: () => number;
}

/**
 * Creates a `ClientAuth` for openid-client and oauth4webapi that signs with any {@link Signer}, such as a key in an HSM.
 * It signs a new assertion each time the library calls it (RFC 7523 §2.2).
 *
 * Together with {@link proofFetch}, use its option `clientAssertion` and the library's `None()` instead: a request that
 * `proofFetch` sends again needs a new assertion, too.
 *
 * @example
 * ```ts
 * const config = await client.discovery(new URL(issuer), "my-agent", undefined, privateKeyJwt({ signer }));
 * ```
 * @returns A function that throws {@link SignerError} if the key can't sign, and {@link OAuthError} with code
 *   `misconfigured` if the server doesn't list the key's algorithm.
 * @throws {OAuthError} With code `misconfigured` if an option is invalid.
 */
export function privateKeyJwt(options: PrivateKeyJwtOptions): ClientAuthFunction {
  const { audience, ...key } = assertObject(options, "The options of privateKeyJwt");
  assertAssertionKey(key, "");
  if (audience !== undefined) assertString(audience, "audience");
  return async (as, { client_id: clientId }, body) => {
    const algorithms = assertionAlgorithms(as, "token");
    const now = () => Math.floor(Date.now() / 1000);
    await addAssertion(key, body, { clientId, audience: audience ?? as.issuer, algorithms, now });
  };
}

/**
 * Signs an assertion and sets the three fields of `private_key_jwt` in the form. Replaces an assertion that is already
 * there.
 *
 * @throws {SignerError} If the key can't sign.
 * @throws {OAuthError} With code `misconfigured` if the server doesn't list the key's algorithm.
 */
export async function addAssertion(key: AssertionKey, form: URLSearchParams, target: FormAssertion): Promise<void> {
  const { clientId } = target;
  const { fields } = await authenticate({ ...key, method: "private_key_jwt" }, { clientId }, target);
  for (const [name, value] of definedFields(fields)) form.set(name, value);
}

function definedFields(fields: ClientFields): [name: string, value: string][] {
  return Object.entries(fields).filter((field): field is [string, string] => typeof field[1] === "string");
}
