/**
 * A signer over any key store. It implements what all stores need: it connects once, hashes, converts DER, verifies
 * each signature, limits the time of each call, and closes when the last call has ended.
 */
import { withDeadline } from "../deadline.js";
import type { SignerError } from "../errors.js";
import { algorithmNamed } from "../jose/find-algorithm.js";
import { thumbprint } from "../jose/jwk-thumbprint.js";
import { importPublicKey, type PublicJwk } from "../jose/public-key.js";
import { checkForm, isSignature } from "../jose/signature.js";
import { assertObject } from "./assert.js";
import type { KeySource, OpenKeyOptions } from "./key-source.js";
import { Message } from "./message.js";
import { type OpenedKey, rawSignature, signWith } from "./opened-key.js";
import { isPromiseLike } from "./promise-like.js";
import { checkSameKey, encodePublicKey, type PublicKeyInput } from "./public-key-input.js";
import type { AlgorithmName, KeyDescription, Signer, SignOptions } from "./signer.js";
import { signerError, withKeyUri } from "./signer-error.js";
import { SigningQueue } from "./signing-queue.js";
import { callStore, checkTimeout } from "./store-call.js";

/** Options of every signer. */
export interface KeySignerOptions {
  /**
   * The JWS algorithm. Required for an RSA key that can sign with several; any other key has only one. A key that can't
   * sign with it fails with code `wrong-key`.
   */
  algorithm?: AlgorithmName | undefined;
  /**
   * The public key, if it is known: a `KeyObject`, a `CryptoKey`, a JWK, SubjectPublicKeyInfo in DER, or PEM (of the key,
   * or of an X.509 certificate for it). A store that can do without its own copy then isn't asked for one. Any other key
   * is rejected, with `wrong-key` if the store returns its public key, and with `integrity` at the first signature.
   */
  publicKey?: PublicKeyInput | undefined;
  /**
   * Which signatures are verified with the public key before they are returned: all of them, or only the first one.
   * Default: `always`; `first` for keys in memory and in files.
   */
  verify?: "always" | "first" | undefined;
  /**
   * Milliseconds that opening the key, or one signature with its wait for the key, may take. A signature that can't be made by
   * then is refused at once, with code `throttled`. Default: 30,000.
   */
  timeout?: number | undefined;
}

/**
 * A {@link Signer} over the key that a {@link KeySource} opens. Every signer of this package is a `KeySigner`.
 *
 * The constructor doesn't do any I/O. The first use opens the key.
 *
 * @example
 * ```ts
 * const signer = new KeySigner({ provider: "mystore", uri: "mystore:key-1", open: () => openKey("key-1") });
 * ```
 */
export class KeySigner implements Signer {
  /** The key's URI, without a PIN. */
  readonly uri: string;
  readonly #source: KeySource;
  readonly #algorithm: AlgorithmName | undefined;
  readonly #publicKey: PublicKeyInput | undefined;
  readonly #verify: "always" | "first";
  readonly #timeout: number;
  #opened: OpenedKey | undefined;
  #opening: Promise<OpenedKey> | undefined;
  #closing: Promise<void> | undefined;
  /** Calls of this signer and work of the store, which may outlive its call. `close()` waits for both. */
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  /**
   * @param source - Opens the key.
   * @throws {SignerError} With code `misconfigured` if an option isn't valid.
   */
  constructor(source: KeySource, options: KeySignerOptions = {}) {
    this.uri = source.uri;
    this.#source = source;
    const { algorithm, publicKey, verify = "always", timeout } = assertObject(options, "The options of a signer");
    this.#algorithm = checkAlgorithm(source.uri, algorithm);
    this.#publicKey = publicKey;
    this.#verify = verify;
    this.#timeout = checkTimeout(source.uri, timeout);
  }

  async publicJwk(options: SignOptions = {}): Promise<PublicJwk> {
    return (await this.#open(options.signal)).jwk;
  }

  async sign(data: Uint8Array | (() => Uint8Array), { signal }: SignOptions = {}): Promise<Uint8Array> {
    this.#inFlight += 1;
    const message = new Message(data);
    try {
      const opening = this.#open(signal);
      const opened = opening instanceof Promise ? await opening : opening;
      const signing = this.#call("signing", signal, (options) => signWith(opened, message, options));
      const result = signing instanceof Promise ? await signing : signing;
      return this.#validate(opened, message.bytes, rawSignature(result, opened.algorithm), result.keyRef);
    } catch (error) {
      throw message.error ?? withKeyUri(this.uri, error);
    } finally {
      this.#finish();
    }
  }

  async describe({ signal }: SignOptions = {}): Promise<KeyDescription> {
    this.#inFlight += 1;
    try {
      const { openKey, jwk } = await this.#open(signal);
      const facts = await this.#call("describing the key", signal, (options) => openKey.describe(options));
      const { uri } = this;
      return { provider: this.#source.provider, uri, alg: jwk.alg, jkt: thumbprint(jwk), ...facts };
    } finally {
      this.#finish();
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#drainAndClose();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Opens the key once for all concurrent callers. A failed attempt is not cached. An already aborted caller doesn't
   * trigger it.
   */
  #open(signal: AbortSignal | undefined): OpenedKey | Promise<OpenedKey> {
    if (this.#closing) throw this.#error("misconfigured", "This signer is closed. Create a new one.");
    if (this.#opened && !signal?.aborted) return this.#opened;
    return signal ? this.#call("opening the key", signal, () => this.#openShared()) : this.#openShared();
  }

  #openShared(): Promise<OpenedKey> {
    this.#opening ??= this.#call("opening the key", undefined, (options) => this.#openOnce(options)).catch((error) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #openOnce(options: OpenKeyOptions): Promise<OpenedKey> {
    const expected = this.#publicKey === undefined ? undefined : encodePublicKey(this.#publicKey);
    const openKey = await this.#source.open(options, expected);
    try {
      options.signal.throwIfAborted();
      const publicKey = importPublicKey(openKey.publicKey, { algorithm: this.#algorithm });
      if (expected) checkSameKey(publicKey, expected);
      this.#opened = {
        openKey,
        ...publicKey,
        queue: new SigningQueue(openKey.maxInFlight),
        verified: false,
        isSynchronous: false,
      };
      return this.#opened;
    } catch (error) {
      await openKey.close();
      throw error;
    }
  }

  /** Validates what the store returned: key reference, signature range and, by policy, the signature itself. */
  #validate(opened: OpenedKey, data: Uint8Array, signature: Uint8Array, keyRef: string | undefined): Uint8Array {
    const { openKey } = opened;
    if (openKey.keyRef !== undefined && keyRef !== openKey.keyRef)
      throw this.#error(
        "integrity",
        `The store signed with ${keyRef}, but the key is ${openKey.keyRef}. The signature was discarded.`,
      );
    checkForm(opened, signature);
    if (this.#verify === "first" && opened.verified) return signature;
    if (!isSignature(opened, data, signature)) throw this.#mismatch(opened);
    opened.verified = true;
    return signature;
  }

  /** Calls the store within the time limit. A store that responds synchronously is not limited. */
  #call<T>(
    operation: string,
    signal: AbortSignal | undefined,
    work: (options: OpenKeyOptions) => Promise<T>,
  ): Promise<T>;
  #call<T>(
    operation: string,
    signal: AbortSignal | undefined,
    work: (options: OpenKeyOptions) => T | Promise<T>,
  ): T | Promise<T>;
  #call<T>(operation: string, signal: AbortSignal | undefined, work: (options: OpenKeyOptions) => T | Promise<T>) {
    const call = { uri: this.uri, operation, timeout: this.#timeout, signal };
    return callStore(call, (options) => this.#track(work(options)));
  }

  /** Counts work in flight. A thenable of the store's SDK becomes a native promise. */
  #track<T>(work: T | PromiseLike<T>): T | Promise<T> {
    if (!isPromiseLike(work)) return work;
    this.#inFlight += 1;
    const result = Promise.resolve(work);
    const finish = () => this.#finish();
    result.then(finish, finish); // several times as fast as `finally`
    return result;
  }

  #finish(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  /** Waits for calls in flight, but not longer than one signature may take. */
  async #drainAndClose(): Promise<void> {
    const toError = () => new Error("The store didn't respond.");
    const idle = () =>
      new Promise<void>((resolve) => {
        if (this.#inFlight === 0) resolve();
        this.#onIdle = resolve;
      });
    await withDeadline({ timeout: this.#timeout, toError }, idle).catch(() => undefined);
    await this.#opened?.openKey.close();
  }

  #mismatch({ openKey, verified }: OpenedKey): SignerError {
    if (!verified) openKey.forgetPublicKey?.();
    const remedy = verified || this.#publicKey === undefined ? "" : " Check the option publicKey.";
    const message = "The store's signature doesn't match the key's public key. It was discarded.";
    return this.#error("integrity", message + remedy);
  }

  #error(code: SignerError["code"], message: string): SignerError {
    return signerError(this.uri, code, message);
  }
}

/** Rejects an unknown name, or an algorithm that this version of Node doesn't have, before the key is opened. */
function checkAlgorithm(uri: string, algorithm: AlgorithmName | undefined): AlgorithmName | undefined {
  try {
    return algorithm && algorithmNamed(algorithm).alg;
  } catch (error) {
    throw withKeyUri(uri, error);
  }
}
