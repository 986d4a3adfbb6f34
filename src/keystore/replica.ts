/** One of the signers of a `replicaSigner`: whether its key was checked, and whether it rests after a failure. */
import { thumbprint } from "../jose/jwk-thumbprint.js";
import type { PublicJwk } from "../jose/public-key.js";
import { replicaChannel } from "../tracing.js";
import { isRetryable } from "./fail-over.js";
import type { Signer, SignOptions } from "./signer.js";
import { signerError } from "./signer-error.js";

/** The key of the first replica that was opened. All others must have the same one. */
export interface ReplicaKey {
  /** The replica's URI, for errors. */
  readonly uri: string;
  readonly jwk: PublicJwk;
}

/** One replica. */
export class Replica {
  readonly signer: Signer;
  /** Milliseconds. */
  readonly #cooldown: number;
  /** Monotonic time, from `performance.now()`. `undefined` if the last use succeeded. */
  #restsUntil: number | undefined;
  #isChecked = false;

  constructor(signer: Signer, cooldown: number) {
    this.signer = signer;
    this.#cooldown = cooldown;
  }

  get uri(): string {
    return this.signer.uri ?? "A replica without a URI";
  }

  /** Whether the replica should be used only if the others fail. */
  get isResting(): boolean {
    return this.#restsUntil !== undefined && performance.now() < this.#restsUntil;
  }

  rest(): void {
    this.#restsUntil = performance.now() + this.#cooldown;
  }

  /** Uses the signer, which rests after an error that is `retryable`. */
  async use<T>(work: (signer: Signer) => Promise<T>): Promise<T> {
    // The first call after a rest is a trial: the others use another replica until it has succeeded.
    if (this.#restsUntil !== undefined) this.rest();
    try {
      const result = await work(this.signer);
      this.#restsUntil = undefined;
      return result;
    } catch (error) {
      if (isRetryable(error)) this.rest();
      this.#report(error);
      throw error;
    }
  }

  /** Opens the key. */
  async key(options: SignOptions): Promise<ReplicaKey> {
    return { uri: this.uri, jwk: await this.signer.publicJwk(options) };
  }

  /**
   * Checks, before the first signature, that the replica has the same key as the others.
   *
   * @throws {SignerError} With code `wrong-key` if it has another key, or signs with another algorithm.
   */
  async check(reference: ReplicaKey, options: SignOptions): Promise<void> {
    if (this.#isChecked) return;
    assertSameKey(await this.key(options), reference);
    this.#isChecked = true;
  }

  /** The caller doesn't see the error of a replica if another one signs. */
  #report(error: unknown): void {
    if (!replicaChannel.hasSubscribers || (error instanceof Error && "code" in error && error.code === "aborted"))
      return;
    replicaChannel.publish({ uri: this.signer.uri, error, cooldown: isRetryable(error) ? this.#cooldown : 0 });
  }
}

/** @throws {SignerError} With code `wrong-key` if the keys or their algorithms differ. The error names both. */
export function assertSameKey({ uri, jwk }: ReplicaKey, reference: ReplicaKey): void {
  const [jkt, expected] = [thumbprint(jwk), thumbprint(reference.jwk)];
  if (jkt !== expected) {
    const problem = `This replica's key has the thumbprint ${jkt}, but that of ${reference.uri} has ${expected}.`;
    throw signerError(
      uri,
      "wrong-key",
      `${problem} Replicas must have the same key. Correct the URI, or copy the key.`,
    );
  }
  if (jwk.alg === reference.jwk.alg) return;
  const problem = `This replica signs with ${jwk.alg}, but ${reference.uri} signs with ${reference.jwk.alg}.`;
  throw signerError(uri, "wrong-key", `${problem} Set the option algorithm of both to the same one.`);
}
