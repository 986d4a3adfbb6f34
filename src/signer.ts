/**
 * The seam between the protocol and the key. A `Signer` is what the prover sees. An `OpenKey` is what a provider
 * writes. `KeySigner` stands between: it connects once, hashes, converts, verifies, limits the time, and closes.
 */
import { hash, type KeyObject, verify } from "node:crypto";
import { withDeadline } from "./deadline.js";
import { checkRaw, importPublicKey, type PublicJwk } from "./ecdsa.js";
import { SignerError } from "./errors.js";
import { thumbprint } from "./thumbprint.js";

export type { PublicJwk } from "./ecdsa.js";

/** A private key that signs, wherever it lives. */
export interface Signer {
  /** The JWS algorithm (RFC 7518 §3.1). */
  readonly alg: "ES256";
  /** The key's URI, without any PIN, for logs and traces. */
  readonly uri?: string | undefined;
  /**
   * @returns the public half: fetched once, then kept
   * @throws {SignerError} code of what went wrong
   */
  publicJwk(options?: SignOptions): Promise<PublicJwk>;
  /**
   * @param data - what to sign, of any length; hashed with SHA-256
   * @returns 64 bytes, r‖s (RFC 7518 §3.4)
   * @throws {SignerError} code of what went wrong
   */
  sign(data: Uint8Array, options?: SignOptions): Promise<Uint8Array>;
  /**
   * @returns where the key lives, and what proves that it can't leave
   * @throws {SignerError} code of what went wrong
   */
  describe(options?: SignOptions): Promise<KeyDescription>;
  /** Lets the key go once the signatures under way are made. Closing twice is fine; using it after is an error. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface SignOptions {
  /** Gives up the wait with `SignerError` code `aborted`. */
  signal?: AbortSignal | undefined;
}

/** Where a key lives. */
export interface KeyDescription extends KeyFacts {
  /** The scheme of the provider. */
  readonly provider: string;
  /** The key's URI, without any PIN. */
  readonly uri: string;
  readonly alg: "ES256";
  /** SHA-256 JWK thumbprint (RFC 7638), base64url. */
  readonly jkt: string;
}

/** What a key store says of a key. */
export interface KeyFacts {
  readonly protection: "software" | "tpm" | "hsm" | "external" | "unknown";
  readonly exportable: boolean | "unknown";
  /** The store's own words, never a guess: PKCS#11 attributes, KMS metadata, an attestation. */
  readonly evidence: Readonly<Record<string, unknown>>;
}

/** For authors of providers: one key, found, immutable, pinned to a version. */
export type OpenKey = {
  /** SubjectPublicKeyInfo in DER, or a JWK. Anything but P-256 is refused with `wrong-key`. */
  readonly publicKey: Uint8Array | PublicJwk;
  /** The pinned key's own name in the store. Where it is set, every answer must carry the same one. */
  readonly keyRef?: string;
  describe(options: OpenKeyOptions): KeyFacts | Promise<KeyFacts>;
  /** Called once, when no call is under way any more, or when one has outlived its time. */
  close(): void | Promise<void>;
} & (
  | {
      /** @param digest - 32 bytes, SHA-256 */
      signDigest(digest: Uint8Array, options: OpenKeyOptions): StoreSignature | Promise<StoreSignature>;
    }
  | {
      /** For a store that hashes by itself. */
      signMessage(message: Uint8Array, options: OpenKeyOptions): StoreSignature | Promise<StoreSignature>;
    }
);

export interface OpenKeyOptions {
  /** Aborts when the caller gives up or the time is up. Reading it is what makes it: leave it alone if it is no use. */
  readonly signal: AbortSignal;
}

/** A signature as the store gives it. */
export interface StoreSignature {
  readonly signature: Uint8Array;
  readonly form: "der" | "raw";
  /** The name of the key that the store says it used. */
  readonly keyRef?: string;
}

/** For authors of providers: how to come to the open key. Nothing is opened before the first use. */
export interface KeySource {
  /** The scheme of the provider. */
  readonly provider: string;
  /** The key's URI, without any PIN: it is in every error. */
  readonly uri: string;
  open(options: OpenKeyOptions): OpenKey | Promise<OpenKey>;
}

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

const DEFAULT_TIMEOUT = 30_000;

/** A signer over any key store: what every store needs, written once. */
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
    this.#timeout = checkTimeout(options.timeout ?? DEFAULT_TIMEOUT, source.uri);
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
      throw this.#owned(error);
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

  /** The open key. However many callers wait for it, it is opened once; a failure is forgotten, so the next use tries. */
  #open(signal: AbortSignal | undefined): Opened | Promise<Opened> {
    if (this.#closing) throw this.#error("misconfigured", "This signer is closed. Make a new one.");
    if (this.#opened && !signal?.aborted) return this.#opened;
    this.#opening ??= this.#limited("opening the key", undefined, (use) => this.#openOnce(use)).catch((error) => {
      this.#opening = undefined;
      throw error;
    });
    const opening = this.#opening;
    return signal ? this.#limited("opening the key", signal, () => opening) : opening;
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
  #limited<T>(what: string, signal: AbortSignal | undefined, work: (use: OpenKeyOptions) => Promise<T>): Promise<T>;
  #limited<T>(
    what: string,
    signal: AbortSignal | undefined,
    work: (use: OpenKeyOptions) => T | Promise<T>,
  ): T | Promise<T>;
  #limited<T>(what: string, signal: AbortSignal | undefined, work: (use: OpenKeyOptions) => T | Promise<T>) {
    const stopped = (why: "timeout" | "aborted", cause?: unknown) =>
      why === "timeout"
        ? this.#error("timeout", `No answer from the key store within ${this.#timeout} ms while ${what}.`)
        : this.#error("aborted", `Given up by the caller while ${what}.`, cause);
    try {
      const result = withDeadline({ timeout: this.#timeout, signal, stopped }, (use) => this.#counted(work(use)));
      if (!(result instanceof Promise)) return result;
      return result.catch((error) => {
        throw this.#owned(error);
      });
    } catch (error) {
      throw this.#owned(error);
    }
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

  #error(code: SignerError["code"], message: string, cause?: unknown): SignerError {
    return new SignerError(code, `${this.uri}: ${message}`, { uri: this.uri, cause });
  }

  /** Every error that leaves here is a SignerError that names its key. */
  #owned(error: unknown): unknown {
    if (!(error instanceof Error) || error.name !== "SignerError")
      return this.#error("unavailable", "The key store failed in a way that its provider does not know.", error);
    if (!(error instanceof SignerError) || error.uri !== undefined) return error;
    return this.#error(error.code, error.message, error.cause);
  }
}

let derToRaw: typeof import("./der.js").derToRaw | undefined;

/** What reads DER takes longer to load than all the rest: it comes with the first answer in DER. */
async function fromDer(der: Uint8Array): Promise<Uint8Array> {
  derToRaw ??= (await import("./der.js")).derToRaw;
  return derToRaw(der);
}

function checkTimeout(timeout: number, uri: string): number {
  if (Number.isFinite(timeout) && timeout > 0) return timeout;
  throw new SignerError("misconfigured", `${uri}: timeout must be a number of milliseconds above 0.`, { uri });
}

function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === "object" && value !== null && "then" in value;
}
