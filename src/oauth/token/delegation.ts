/** Who acts for whom: the `act` claim of tokens and of introspection responses (RFC 8693 §4.1). */

import { isJsonObject } from "../../jose/json-object.js";

/** A party that acts on behalf of the token's subject. */
export interface Actor {
  /** Identifies the actor, at its issuer. */
  readonly sub?: unknown;
  /** The actor's issuer. */
  readonly iss?: unknown;
  /** Other claims that identify it, such as `client_id`. */
  readonly [claim: string]: unknown;
}

/**
 * Reads the delegation chain of a token: the current actor first, then those that acted before it. Empty if nobody acts
 * for the subject. Only the current actor may count for access control; the others are history (RFC 8693 §4.1).
 *
 * @example
 * ```ts
 * const [currentActor, ...priorActors] = delegationChain(await client.introspect({ clientId, clientSecret, token }));
 * ```
 * @param claims - The claims of a verified JWT, or an introspection response (RFC 7662 §2.2).
 */
export function delegationChain(claims: Readonly<Record<string, unknown>>): readonly Actor[] {
  const chain: Actor[] = [];
  for (let next = claims.act; isJsonObject(next); ) {
    const { act, ...actor } = next;
    chain.push(actor);
    next = act;
  }
  return chain;
}
