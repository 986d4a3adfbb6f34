/** Signers that sign messages of another length than the store does, or that reject the others wrongly. */
import { KeySigner, SignerError, type SignOptions } from "hardproof";
import { instanceOf, type Message, type Mutant, withInput } from "./mutant.js";
import { type CreateSigner, LIMITS, type TestKey } from "./store.js";

const [LEAST, MOST] = LIMITS;

/** Returns the mutants of a signer with this key. */
export function messageLengthMutants(key: TestKey): Mutant[] {
  return [
    [
      "a short message that is replaced",
      / 1 bytes/,
      withInput((data) => (data.length === LEAST ? Buffer.of(Number(data[0]) ^ 1) : data)),
    ],
    [
      "a long message that is truncated",
      /5,000 bytes/,
      withInput((data) => (data.length === MOST ? data.subarray(1) : data)),
    ],
    ["a limit that is one byte too low", /5,000 bytes/, instanceOf(withLimit(MOST, misconfigured("Too long.")))],
    ...mutantsOf(key, LEAST - 1, /shorter message/, `The limit is ${LEAST}.`),
    ...mutantsOf(key, MOST + 1, /longer message/, `The limit is ${MOST}.`),
  ];
}

function mutantsOf(key: TestKey, length: number, expected: RegExp, message: string): Mutant[] {
  const unavailable = new SignerError("unavailable", message);
  return [
    [`a signature over ${length} bytes`, expected, instanceOf(withoutLimit(length))],
    [`an unnamed limit for ${length} bytes`, expected, instanceOf(withLimit(length, misconfigured("Wrong length.")))],
    [`a retryable error for ${length} bytes`, expected, instanceOf(withLimit(length, unavailable))],
    [`a request for ${length} bytes`, expected, asksTheStore(key, length)],
  ];
}

/** Signs messages of this length, though the store doesn't. */
function withoutLimit(length: number) {
  return class extends KeySigner {
    override async sign(data: Message, options?: SignOptions) {
      return typeof data !== "function" && data.length === length ? new Uint8Array(64) : super.sign(data, options);
    }
  };
}

/** Rejects messages of this length. */
function withLimit(length: number, error: SignerError) {
  return class extends KeySigner {
    override async sign(data: Message, options?: SignOptions) {
      if (typeof data !== "function" && data.length === length) throw error;
      return super.sign(data, options);
    }
  };
}

/** Sends a message of this length to the store, instead of rejecting it. */
const asksTheStore =
  ({ openKey }: TestKey, length: number): CreateSigner =>
  (source, options) =>
    new KeySigner(
      {
        ...source,
        open: async (options) => {
          const key = await source.open(options);
          if (key === openKey || !("signMessage" in key)) return key;
          const signMessage: typeof key.signMessage = (message, options) =>
            message.length === length ? new Promise<never>(() => {}) : key.signMessage(message, options);
          return { ...key, signMessage };
        },
      },
      options,
    );

function misconfigured(message: string): SignerError {
  return new SignerError("misconfigured", message);
}
