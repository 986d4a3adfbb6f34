/** The attestations of this process's keys. Each one is reused for every request, and renewed before it expires. */

import { withDeadline } from "../../deadline.js";
import { OAuthError } from "../../errors.js";
import { decodePart } from "../../jose/json-object.js";
import { thumbprint } from "../../jose/jwk-thumbprint.js";
import type { PublicJwk } from "../../jose/public-key.js";
import { LruMap } from "../../lru-map.js";
import type { ClientAttester } from "./client-attester.js";

/** An attestation, and how long it can be used. */
interface Attestation {
  readonly jwt: string;
  /** Milliseconds since 1970, as `usableUntil`. */
  readonly renewAt: number;
  readonly usableUntil: number;
}

/** The key that is attested, and its client. */
interface AttestedKey {
  readonly clientId: string;
  readonly jwk: PublicJwk;
}

/**
 * Parts of the lifetime after which an attestation is renewed: a random one, so that processes that started together
 * don't renew together.
 */
const RENEWAL = { earliest: 0.7, latest: 0.8 };
/** The part of the lifetime after which an attestation isn't sent any more: it could expire on its way. */
const USABLE = 0.95;
/** Milliseconds until a failed renewal is retried, as long as the current attestation can be used. */
const RETRY_DELAY = 10_000;
/** Milliseconds. The time limit of an attester. */
const TIMEOUT = 10_000;
const MAX_KEYS = 256;

/** The attestations by attester, then by client and key: an attester in this process may attest many keys. */
const cache = new WeakMap<ClientAttester, LruMap<string, AttestationSlot>>();

/** Returns the slot for the attestation of a client's key. */
export function attestationSlot(attester: ClientAttester, key: AttestedKey): AttestationSlot {
  const slots = cache.get(attester) ?? new LruMap<string, AttestationSlot>(MAX_KEYS);
  cache.set(attester, slots);
  const name = `${thumbprint(key.jwk)} ${key.clientId}`;
  const slot = slots.get(name) ?? new AttestationSlot(attester, key);
  slots.set(name, slot);
  return slot;
}

/** The attestation of one key. Concurrent callers share one request to the attester, which none of them can abort. */
export class AttestationSlot {
  readonly #attester: ClientAttester;
  readonly #key: AttestedKey;
  #current: Attestation | undefined;
  #renewal: Promise<Attestation> | undefined;
  #retryAt = 0; // milliseconds since 1970

  constructor(attester: ClientAttester, key: AttestedKey) {
    this.#attester = attester;
    this.#key = key;
  }

  /**
   * Returns the current attestation. It is renewed while it can still be used, so that callers don't wait for that; if
   * the renewal fails, they get the current one, and a later call retries.
   *
   * @throws What the attester throws, if there isn't an attestation that can be used.
   * @throws {OAuthError} With code `timeout`, or `invalid-response` if the attester returned something else.
   */
  async get(): Promise<string> {
    const now = Date.now();
    const current = this.#current;
    if (current === undefined || now >= current.usableUntil) return (await this.#renew()).jwt;
    if (now >= Math.max(current.renewAt, this.#retryAt)) this.#renew().catch(() => undefined);
    return current.jwt;
  }

  /** Discards an attestation that the server has rejected, unless it was replaced already. */
  discard(jwt: string): void {
    if (this.#current?.jwt === jwt) this.#current = undefined;
  }

  #renew(): Promise<Attestation> {
    this.#renewal ??= this.#request()
      .catch((reason) => {
        this.#retryAt = Date.now() + RETRY_DELAY;
        throw reason;
      })
      .finally(() => {
        this.#renewal = undefined;
      });
    return this.#renewal;
  }

  async #request(): Promise<Attestation> {
    const requestedAt = Date.now();
    const { clientId } = this.#key;
    const problem = `The attester of the client ${clientId} did not respond within ${TIMEOUT} ms.`;
    const toError = () => new OAuthError("timeout", `${problem} Check its key store, or the service that it calls.`);
    const jwt = await withDeadline({ timeout: TIMEOUT, toError }, async ({ signal }) =>
      this.#attester({ ...this.#key, signal }),
    );
    this.#current = parseAttestation(jwt, this.#key, requestedAt);
    return this.#current;
  }
}

/** By the attester's own clock: `exp` and `iat` differ by the lifetime, even if that clock and this one disagree. */
function parseAttestation(jwt: unknown, { clientId, jwk }: AttestedKey, requestedAt: number): Attestation {
  const invalid = (problem: string) =>
    new OAuthError(
      "invalid-response",
      `The attester returned ${problem}. Check the function or service that attests the client ${clientId}.`,
    );
  if (typeof jwt !== "string" || !/^[-\w]+\.[-\w]+\.[-\w]+$/.test(jwt)) throw invalid("something that isn't a JWT");
  const { sub, exp, iat = requestedAt / 1000, cnf } = decodePart(jwt.split(".")[1] ?? "") ?? {};
  if (sub !== clientId) throw invalid("an attestation for another client");
  if (thumbprintOf(cnf) !== thumbprint(jwk)) throw invalid("an attestation for another key");
  const lifetime = Number(exp) * 1000 - Number(iat) * 1000;
  if (!(lifetime > 0)) throw invalid("an attestation without a lifetime (exp)");
  const renewal = RENEWAL.earliest + Math.random() * (RENEWAL.latest - RENEWAL.earliest);
  return { jwt, renewAt: requestedAt + lifetime * renewal, usableUntil: requestedAt + lifetime * USABLE };
}

function thumbprintOf(cnf: unknown): string | undefined {
  try {
    return thumbprint(Object(cnf).jwk);
  } catch {
    return undefined;
  }
}
