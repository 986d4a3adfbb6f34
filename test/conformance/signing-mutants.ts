/** Signers with a defect in their public key or their signatures. */
import { createPublicKey } from "node:crypto";
import { KeySigner, type PublicJwk, type SignOptions } from "hardproof";
import { instanceOf, type Message, type Mutant, withInput } from "./mutant.js";
import { type CreateSigner, checkLength, type TestKey } from "./store.js";

/** Returns the mutants of a signer with this key. */
export function signingMutants(key: TestKey): Mutant[] {
  return [
    [
      "an additional member in the JWK",
      /^publicJwk\(\)/,
      instanceOf(withJwk((jwk) => Object.freeze({ ...jwk, kid: "1" }))),
    ],
    ["a JWK that isn't frozen", /^publicJwk\(\)/, instanceOf(withJwk((jwk) => ({ ...jwk })))],
    ["another key on the second call", /^publicJwk\(\)/, instanceOf(withAnotherKey(key))],
    [
      "a signature in another form",
      /length of its algorithm/,
      instanceOf(withRareSignature((data) => key.signInAnotherForm(data))),
    ],
    [
      "a signature that lacks its first byte",
      /length of its algorithm/,
      instanceOf(withRareSignature((_, signature) => signature.subarray(1))),
    ],
    [
      "another key's signature",
      /verifies with the public key/,
      instanceOf(withRareSignature((data) => key.signWithAnother(data))),
    ],
    [
      "a signature over the whole buffer of a view",
      /bytes of a view/,
      withInput((data) => (Buffer.isBuffer(data) ? data : new Uint8Array(data.buffer))),
    ],
    ["a message function that is called twice", /function .* once/, instanceOf(CallsTheFunctionTwice)],
    ["a message function that is called early", /has aborted/, instanceOf(CallsTheFunctionEarly)],
    [
      "an input that is overwritten",
      /bytes of a view/,
      withInput((data) => (Buffer.isBuffer(data) ? data : Buffer.concat([data, data.fill(0).subarray(0, 0)]))),
    ],
    ["mixed up signatures", /its own caller/, instanceOf(MixesUpSignatures)],
    ["a blocked event loop", /^signs without blocking/, blocking(key)],
  ];
}

/** Changes every 80th signature, because real defects are as rare: a leading zero, a race. */
function withRareSignature(change: (data: Uint8Array, signature: Uint8Array) => Uint8Array) {
  return class extends KeySigner {
    #count = 0;
    override async sign(data: Uint8Array, options?: SignOptions) {
      const signature = await super.sign(data, options);
      this.#count += 1;
      return this.#count % 80 === 0 ? change(data, signature) : signature;
    }
  };
}

function withJwk(change: (jwk: PublicJwk) => PublicJwk) {
  return class extends KeySigner {
    override async publicJwk(options?: SignOptions) {
      return change(await super.publicJwk(options));
    }
  };
}

/** Returns another key on the second call, and each time after that. */
function withAnotherKey({ another }: TestKey) {
  const members = createPublicKey(another).export({ format: "jwk" });
  return class extends KeySigner {
    #called = false;
    override async publicJwk(options?: SignOptions) {
      const jwk = await super.publicJwk(options);
      if (this.#called) return Object.freeze({ ...jwk, ...members }) as PublicJwk;
      this.#called = true;
      return jwk;
    }
  };
}

/** Returns the signature of the previous concurrent call. */
class MixesUpSignatures extends KeySigner {
  #inFlight: Promise<Uint8Array> | undefined;
  override async sign(data: Uint8Array, options?: SignOptions) {
    const [previous, current] = [this.#inFlight, super.sign(data, options)];
    this.#inFlight = current;
    try {
      const signature = await current;
      return previous ? await previous : signature;
    } finally {
      this.#inFlight = undefined;
    }
  }
}

class CallsTheFunctionTwice extends KeySigner {
  override sign(data: Message, options?: SignOptions) {
    if (typeof data !== "function") return super.sign(data, options);
    // Signs what the last call returned: in a proof, the two can have a different time.
    const twice = () => {
      data();
      return data();
    };
    return super.sign(twice, options);
  }
}

class CallsTheFunctionEarly extends KeySigner {
  override sign(data: Message, options?: SignOptions) {
    return super.sign(typeof data === "function" ? data() : data, options);
  }
}

/** Signs synchronously, but returns a promise: a signer gives other work a turn if the store itself is synchronous and slow. */
const blocking =
  ({ openKey, sign }: TestKey): CreateSigner =>
  (source, options) =>
    new KeySigner(
      {
        ...source,
        open: async (options) => {
          const key = await source.open(options);
          if (key !== openKey) return key;
          const signMessage = async (data: Uint8Array) => {
            checkLength(data);
            return { signature: sign(data), form: "raw" } as const;
          };
          return { ...key, signMessage };
        },
      },
      options,
    );
