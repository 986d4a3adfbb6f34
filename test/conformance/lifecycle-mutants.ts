/** Signers with a defect in their first use, abort, time limits or close. */
import { KeySigner, type KeySignerOptions, type KeySource, type PublicJwk, type SignOptions } from "hardproof";
import { instanceOf, type Mutant } from "./mutant.js";

class ConnectsEarly extends KeySigner {
  constructor(source: KeySource, options?: KeySignerOptions) {
    super(source, options);
    super.publicJwk().catch(() => undefined);
  }
}

class ConnectsTwice extends KeySigner {
  readonly #source: KeySource;
  #ready = false;
  constructor(source: KeySource, options?: KeySignerOptions) {
    super(source, options);
    this.#source = source;
  }
  override async publicJwk(options?: SignOptions) {
    const jwk = await super.publicJwk(options);
    if (!this.#ready) await this.#source.open({ signal: new AbortController().signal });
    this.#ready = true;
    return jwk;
  }
}

class CachesFailure extends KeySigner {
  #failure: unknown;
  override async publicJwk(options?: SignOptions) {
    if (this.#failure) throw this.#failure;
    return super.publicJwk(options).catch((error) => {
      if (error.code === "unavailable") this.#failure = error;
      throw error;
    });
  }
}

/** Ignores aborted signals, except those of the cases about errors. */
class SignsAfterAbort extends KeySigner {
  override sign(data: Uint8Array, options: SignOptions = {}) {
    return super.sign(data, options.signal?.aborted && options.signal.reason !== "enough" ? {} : options);
  }
}

class IgnoresLateAbort extends KeySigner {
  override sign(data: Uint8Array, options: SignOptions = {}) {
    return super.sign(data, options.signal?.aborted ? options : {});
  }
}

class SignsWhenDeleted extends KeySigner {
  override sign(data: Uint8Array, options?: SignOptions) {
    return super.sign(data, options).catch((error) => {
      if (error.code === "key-not-found") return new Uint8Array(64);
      throw error;
    });
  }
}

/** Resolves after a timeout, except for the single byte that the cases about errors sign. */
class IgnoresTimeout extends KeySigner {
  override sign(data: Uint8Array, options?: SignOptions) {
    return super.sign(data, options).catch((error) => {
      if (error.code === "timeout" && data.length > 1) return new Uint8Array(64);
      throw error;
    });
  }
}

class ClosesOnce extends KeySigner {
  #closed = false;
  override async close() {
    if (this.#closed) throw new Error("already closed");
    this.#closed = true;
    return super.close();
  }
}

class ClosesWithoutWaiting extends KeySigner {
  override async close() {
    super.close();
  }
}

class ReturnsKeyAfterClose extends KeySigner {
  #jwk: PublicJwk | undefined;
  override async publicJwk(options?: SignOptions) {
    if (this.#jwk && !options?.signal) return this.#jwk;
    this.#jwk = await super.publicJwk(options);
    return this.#jwk;
  }
}

class IsNotDisposed extends KeySigner {
  override async [Symbol.asyncDispose]() {}
}

/** The mutants. */
export const LIFECYCLE_MUTANTS: Mutant[] = [
  ["a connection in the constructor", /before its first use$/, instanceOf(ConnectsEarly)],
  ["a second connection", /one connection/, instanceOf(ConnectsTwice)],
  ["a cached failure", /connects again/, instanceOf(CachesFailure)],
  ["an ignored aborted signal", /already aborted/, instanceOf(SignsAfterAbort)],
  ["an ignored abort in flight", /signal aborts/, instanceOf(IgnoresLateAbort)],
  ["an ignored timeout", /time limit/, instanceOf(IgnoresTimeout)],
  ["a second close() that fails", /closed more than once/, instanceOf(ClosesOnce)],
  ["a close() that doesn't wait", /before close\(\) resolves/, instanceOf(ClosesWithoutWaiting)],
  ["a public key after close()", /after close/, instanceOf(ReturnsKeyAfterClose)],
  ["a signature of a deleted key", /was deleted/, instanceOf(SignsWhenDeleted)],
  ["a dispose without effect", /await using/, instanceOf(IsNotDisposed)],
];
