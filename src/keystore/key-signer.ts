/**
 * A signer over any key store: what every store needs, written once. It connects once, hashes, converts, verifies, limits
 * the time, and closes.
 */
import { hash, type KeyObject, verify } from "node:crypto";
import { withDeadline } from "../deadline.js";
import type { SignerError } from "../errors.js";
import { checkRaw } from "../jose/ecdsa.js";
import { thumbprint } from "../jose/jwk-thumbprint.js";
import { importPublicKey, type PublicJwk } from "../jose/public-key.js";
import type { KeySource, OpenKey, OpenKeyOptions } from "./key-source.js";
import type { KeyDescription, Signer, SignOptions } from "./signer.js";
import { signerError, withKeyUri } from "./signer-error.js";
import { callStore, checkTimeout } from "./store-call.js";

export interface KeySignerOptions {
  /**
   * Which signatures are verified with the public key before anybody sees them: each one (the default), or the first
   * one alone.
   */
  verify?: "always" | "first" | undefined;
  /** Milliseconds that opening the key, or one signature, may take. Default 30,000. */
  timeout?: number | undefined;
}

interface Opened {
  readonly source: OpenKey;
  readonly jwk: PublicJwk;
  readonly key: KeyObject;
  verified: boolean;
}

/** A signer over a key store: give it a way to open the key. */
export class KeySigner implements Signer {
  readonly alg = "ES256" as const;
  /** The key's URI, without any PIN. */
  readonly uri: string;
  readonly #source: KeySource;
  readonly #verify: "always" | "first";
  readonly #timeout: number;
  #opened: Opened | undefined;
  #opening: Promise<Opened> | undefined;
  #closing: Promise<void> | undefined;
  /** Calls of ours, and work that its caller has given up: close() waits for both. */
  #underWay = 0;
  #whenIdle: (() => void) | undefined;

  constructor(source: KeySource, options: KeySignerOptions = {}) {
    this.uri = source.uri;
    this.#source = source;
    this.#verify = options.verify ?? "always";
    this.#timeout = checkTimeout(source.uri, options.timeout);
  }

  async publicJwk(options: SignOptions = {}): Promise<PublicJwk> {
    return (await this.#open(options.signal)).jwk;
  }

  async sign(data: Uint8Array, { signal }: SignOptions = {}): Promise<Uint8Array> {
    this.#underWay += 1;
    try {
      const opening = this.#open(signal);
      const opened = opening instanceof Promise ? await opening : opening;
      const { source } = opened;
      const answer = this.#limited("signing", signal, (use) =>
        "signDigest" in source ? source.signDigest(hash("sha256", data, "buffer"), use) : source.signMessage(data, use),
      );
      const given = answer instanceof Promise ? await answer : answer;
      const raw = given.form === "der" ? await fromDer(given.signature) : given.signature;
      return this.#accept(opened, data, raw, given.keyRef);
    } catch (error) {
      throw withKeyUri(this.uri, error);
    } finally {
      this.#leave();
    }
  }

  async describe({ signal }: SignOptions = {}): Promise<KeyDescription> {
    this.#underWay += 1;
    try {
      const { source, jwk } = await this.#open(signal);
      const facts = await this.#limited("describing the key", signal, (use) => source.describe(use));
      const { uri, alg } = this;
      return { provider: this.#source.provider, uri, alg, jkt: thumbprint(jwk), ...facts };
    } finally {
      this.#leave();
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
   * The open key. However many callers wait for it, it is opened once; a failure is forgotten, so the next use tries. Who has
   * given up before opens nothing.
   */
  #open(signal: AbortSignal | undefined): Opened | Promise<Opened> {
    if (this.#closing) throw this.#error("misconfigured", "This signer is closed. Make a new one.");
    if (this.#opened && !signal?.aborted) return this.#opened;
    return signal ? this.#limited("opening the key", signal, () => this.#shared()) : this.#shared();
  }

  /** The opening that all callers wait for. */
  #shared(): Promise<Opened> {
    this.#opening ??= this.#limited("opening the key", undefined, (use) => this.#openOnce(use)).catch((error) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #openOnce(use: OpenKeyOptions): Promise<Opened> {
    const source = await this.#source.open(use);
    try {
      use.signal.throwIfAborted();
      this.#opened = { source, ...importPublicKey(source.publicKey), verified: false };
      return this.#opened;
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  /** No answer of the store becomes a signature of ours before it has passed here. */
  #accept(opened: Opened, data: Uint8Array, signature: Uint8Array, keyRef: string | undefined): Uint8Array {
    const { source, key } = opened;
    if (source.keyRef !== undefined && keyRef !== source.keyRef)
      throw this.#error("integrity", `The store signed with ${keyRef}, but the key is ${source.keyRef}.`);
    checkRaw(signature);
    if (this.#verify === "first" && opened.verified) return signature;
    if (!verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature))
      throw this.#error("integrity", "The store's signature does not match the key's public half. Nothing was signed.");
    opened.verified = true;
    return signature;
  }

  /** Runs work of the store's: at once where it is synchronous, else inside the time and the caller's patience. */
  #limited<T>(
    operation: string,
    signal: AbortSignal | undefined,
    work: (use: OpenKeyOptions) => Promise<T>,
  ): Promise<T>;
  #limited<T>(
    operation: string,
    signal: AbortSignal | undefined,
    work: (use: OpenKeyOptions) => T | Promise<T>,
  ): T | Promise<T>;
  #limited<T>(operation: string, signal: AbortSignal | undefined, work: (use: OpenKeyOptions) => T | Promise<T>) {
    return callStore({ uri: this.uri, operation, timeout: this.#timeout, signal }, (use) => this.#counted(work(use)));
  }

  /** Whatever kind of promise a store's SDK gives, it is one of ours from here on. */
  #counted<T>(work: T | PromiseLike<T>): T | Promise<T> {
    if (!isPromiseLike(work)) return work;
    this.#underWay += 1;
    return Promise.resolve(work).finally(() => this.#leave());
  }

  #leave(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#whenIdle?.();
  }

  /** What is stuck is not waited for longer than one signature may take. */
  async #drainAndClose(): Promise<void> {
    const stopped = () => new Error("stuck");
    const idle = () =>
      new Promise<void>((resolve) => {
        if (this.#underWay === 0) resolve();
        this.#whenIdle = resolve;
      });
    await withDeadline({ timeout: this.#timeout, stopped }, idle).catch(() => undefined);
    await this.#opened?.source.close();
  }

  #error(code: SignerError["code"], message: string): SignerError {
    return signerError(this.uri, code, message);
  }
}

let derToRaw: typeof import("../jose/ecdsa-der.js").derToRaw | undefined;

/** What reads DER takes longer to load than all the rest: it comes with the first answer in DER. */
async function fromDer(der: Uint8Array): Promise<Uint8Array> {
  derToRaw ??= (await import("../jose/ecdsa-der.js")).derToRaw;
  return derToRaw(der);
}

function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === "object" && value !== null && "then" in value;
}
