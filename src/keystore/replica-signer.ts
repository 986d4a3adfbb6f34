/** A signer over replicas: the same key in two regions, two HSMs or two slots. If one fails, it uses the next one. */
import { type LazyDeadline, LONGEST_TIMEOUT, withDeadline } from "../deadline.js";
import { SignerError, type SignerErrorCode } from "../errors.js";
import type { PublicJwk } from "../jose/public-key.js";
import { assertObject, assertSigner } from "./assert.js";
import { failOver, isRetryable } from "./fail-over.js";
import { assertSameKey, Replica, type ReplicaKey } from "./replica.js";
import { SharedMessage } from "./shared-message.js";
import { recordReplica } from "./signed-by.js";
import type { KeyDescription, Signer, SignOptions } from "./signer.js";
import { misconfigured, signerError } from "./signer-error.js";
import { weakestOf } from "./weakest-key.js";

/** Options of {@link replicaSigner}. */
export interface ReplicaSignerOptions {
  /**
   * Milliseconds after which a signature that hasn't arrived is also requested from the next replica. The first signature is
   * returned, and the other request is cancelled. Default: none, so that a replica that hangs costs its own `timeout`.
   */
  hedgeAfter?: number | undefined;
  /** Milliseconds for which a replica that failed is used only if the others fail too. Default: 5,000. */
  cooldown?: number | undefined;
}

const DEFAULT_COOLDOWN = 5_000;

/** Milliseconds that the first use waits for one replica before it opens the next one. */
const OPENING_WAIT = 5_000;

/**
 * Returns a signer over several signers with the same key. Each signature is requested from the first of them that isn't
 * resting after a failure. After an error that is `retryable` (`unavailable`, `throttled`, `timeout`), it is requested from the
 * next one. Any other error is thrown: a wrong PIN is never tried elsewhere.
 *
 * The first use opens the signers in their order and compares their keys. The key of a signer that isn't available then is
 * compared before its first signature. `describe()` needs all of them, and describes the least protected replica. The channel
 * `hardproof.replica` reports each failure, and `hardproof.signature` the URI of the replica that signed.
 *
 * @example
 * ```ts
 * await using signer = replicaSigner([new KmsSigner(frankfurt), new KmsSigner(dublin)], { hedgeAfter: 100 });
 * ```
 *
 * @param signers - The replicas, in the order of preference. Closing the returned signer closes them.
 * @returns A signer with the URI of the first replica. Its calls fail with code `wrong-key` if the replicas have different keys
 *   or algorithms, and the message names both. If all replicas fail, the message contains the error of each one.
 * @throws {SignerError} With code `misconfigured` if an argument isn't valid.
 */
export function replicaSigner(signers: readonly Signer[], options: ReplicaSignerOptions = {}): Signer {
  if (!Array.isArray(signers) || signers.length === 0)
    throw misconfigured("replicaSigner needs an array of at least one signer.");
  const { hedgeAfter, cooldown = DEFAULT_COOLDOWN } = assertObject(options, "The options of replicaSigner");
  if (hedgeAfter !== undefined) assertMilliseconds(hedgeAfter, "hedgeAfter");
  assertMilliseconds(cooldown, "cooldown");
  const replicas = signers.map((signer) => new Replica(assertSigner(signer), cooldown));
  return new ReplicaSigner(replicas, hedgeAfter);
}

function assertMilliseconds(value: number, name: string): void {
  if (value >= 0 && value <= LONGEST_TIMEOUT) return;
  throw misconfigured(`${name} must be a number of milliseconds, at most 24 days.`);
}

class ReplicaSigner implements Signer {
  readonly uri: string | undefined;
  readonly #replicas: readonly Replica[];
  readonly #hedgeAfter: number | undefined;
  /** The key of all replicas. Set once the first use has compared them. */
  #key: ReplicaKey | undefined;
  #opening: Promise<ReplicaKey> | undefined;
  #closing: Promise<void> | undefined;
  readonly #inFlight = new Set<Promise<unknown>>();

  constructor(replicas: readonly Replica[], hedgeAfter: number | undefined) {
    this.uri = replicas[0]?.signer.uri;
    this.#replicas = replicas;
    this.#hedgeAfter = hedgeAfter;
  }

  publicJwk({ signal }: SignOptions = {}): Promise<PublicJwk> {
    return this.#track(async () => (await this.#open(signal)).jwk);
  }

  sign(data: Uint8Array | (() => Uint8Array), { signal }: SignOptions = {}): Promise<Uint8Array> {
    return this.#track(async () => this.#sign(data, await this.#open(signal), signal));
  }

  describe({ signal }: SignOptions = {}): Promise<KeyDescription> {
    return this.#track(async () => {
      const key = await this.#open(signal);
      const describe = async (replica: Replica) => {
        await replica.check(key, { signal });
        return replica.signer.describe({ signal });
      };
      return weakestOf(await Promise.all(this.#replicas.map(describe)));
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#drainAndClose();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Compares the keys once for all concurrent callers. A failed attempt is not cached. */
  #open(signal: AbortSignal | undefined): ReplicaKey | Promise<ReplicaKey> {
    if (this.#closing) throw this.#error("misconfigured", "This signer is closed. Create a new one.");
    if (this.#key && !signal?.aborted) return this.#key;
    return this.#untilAborted(signal, () => this.#openShared());
  }

  #openShared(): Promise<ReplicaKey> {
    this.#opening ??= this.#openAll().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Opens one replica after the other: a PIN that the first one rejects isn't tried with the next one. */
  async #openAll(): Promise<ReplicaKey> {
    let reference: ReplicaKey | undefined;
    const open = async (replica: Replica) => {
      const key = await replica.use(() => replica.key({}));
      reference ??= key;
      assertSameKey(key, reference);
      return reference;
    };
    const keys: Promise<ReplicaKey>[] = [];
    for (const replica of this.#replicas) {
      const key = open(replica);
      keys.push(key);
      await waitFor(replica, key);
    }
    this.#key = await Promise.any(keys).catch(({ errors }: AggregateError) => {
      throw this.#allFailed("opened", errors);
    });
    return this.#key;
  }

  #sign(data: Uint8Array | (() => Uint8Array), key: ReplicaKey, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const hedgeAfter = this.#hedgeAfter;
    const message = new SharedMessage(data);
    return this.#untilAborted(signal, async (deadline) => {
      const options = signal || hedgeAfter !== undefined ? { signal: deadline.signal } : {};
      const attempt = (replica: Replica) => async () => {
        const signature = await replica.use(async (signer) => {
          await replica.check(key, options);
          options.signal?.throwIfAborted(); // so that the message isn't made once more after another replica has signed
          return message.use((bytes) => signer.sign(bytes, options));
        });
        recordReplica(signature, replica.signer.uri);
        return signature;
      };
      const toError = (errors: readonly unknown[]) => this.#allFailed("used", errors);
      try {
        return await failOver(this.#inOrder().map(attempt), { hedgeAfter, toError });
      } finally {
        if (hedgeAfter !== undefined) deadline.abort(this.#error("aborted", "Another replica has signed."));
      }
    });
  }

  /** Returns the replicas that aren't resting first. */
  #inOrder(): Replica[] {
    const resting = this.#replicas.filter(({ isResting }) => isResting);
    return [...this.#replicas.filter((replica) => !resting.includes(replica)), ...resting];
  }

  #untilAborted<T>(signal: AbortSignal | undefined, work: (deadline: LazyDeadline) => Promise<T>): Promise<T> {
    const toError = (_: string, cause: unknown) => this.#error("aborted", "Aborted by the caller.", cause);
    return withDeadline({ timeout: Number.POSITIVE_INFINITY, signal, toError }, work);
  }

  /** Counts a call in flight, whose replicas must not be closed before it ends. */
  async #track<T>(call: () => Promise<T>): Promise<T> {
    const result = call();
    this.#inFlight.add(result);
    return result.finally(() => this.#inFlight.delete(result));
  }

  /** Each call in flight ends within the time limits of its replicas. */
  async #drainAndClose(): Promise<void> {
    await Promise.allSettled(this.#inFlight);
    const results = await Promise.allSettled(this.#replicas.map(({ signer }) => signer.close()));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  #allFailed(done: string, errors: readonly unknown[]): unknown {
    const [first] = errors;
    if (errors.length === 1 || !(first instanceof Error)) return first;
    const code = (first as SignerError).code;
    const reasons = errors.map((error) => (error instanceof Error ? error.message : String(error)));
    return this.#error(code, `None of the ${errors.length} replicas could be ${done}. ${reasons.join(" ")}`, first);
  }

  #error(code: SignerErrorCode, message: string, cause?: unknown): SignerError {
    return signerError(this.uri ?? "The replicas", code, message, cause);
  }
}

/**
 * Waits until a replica is open or has failed, but not longer than {@link OPENING_WAIT}.
 *
 * @throws What opening it throws, if it isn't `retryable`.
 */
async function waitFor(replica: Replica, opening: Promise<unknown>): Promise<void> {
  const toError = () => new SignerError("timeout", "The replica isn't open yet.");
  await withDeadline({ timeout: OPENING_WAIT, toError }, () => opening).catch((error) => {
    if (!isRetryable(error)) throw error;
    replica.rest();
  });
}
