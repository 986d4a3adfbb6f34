/** Signers that describe their key wrongly, throw wrong errors or show a secret. */
import { inspect } from "node:util";
import { type KeyDescription, KeySigner, SignerError, type SignOptions } from "hardproof";
import { instanceOf, type Message, type Mutant } from "./mutant.js";
import { PIN } from "./store.js";

function withDescription(change: (description: KeyDescription) => Partial<Record<keyof KeyDescription, unknown>>) {
  return class extends KeySigner {
    override async describe(options?: SignOptions) {
      const description = await super.describe(options);
      return { ...description, ...change(description) } as KeyDescription;
    }
  };
}

/** Changes every error with this code. */
function withError(code: SignerError["code"], change: (error: SignerError) => Error) {
  return class extends KeySigner {
    override async sign(data: Uint8Array, options?: SignOptions) {
      return super.sign(data, options).catch((error) => {
        throw error.code === code ? change(error) : error;
      });
    }
    override async publicJwk(options?: SignOptions) {
      return super.publicJwk(options).catch((error) => {
        throw error.code === code ? change(error) : error;
      });
    }
  };
}

const copyOf = ({ code, message, uri }: SignerError, change: { message?: string; uri?: string }) =>
  new SignerError(code, change.message ?? message, { uri: change.uri ?? uri });

class StoresPin extends KeySigner {
  readonly options = { pin: PIN };
}

class PrintsPin extends KeySigner {
  [inspect.custom]() {
    return `<signer, logged in with ${Buffer.from(PIN).toString("base64")}>`;
  }
}

/** Signs another header than that of the proof. */
class ChangesTheHeader extends KeySigner {
  override sign(data: Message, options?: SignOptions) {
    const sign = (message: Uint8Array) => (isJws(message) ? Buffer.concat([Buffer.from("ey"), message]) : message);
    return super.sign(typeof data === "function" ? () => sign(data()) : sign(data), options);
  }
}

function isJws(message: Uint8Array): boolean {
  return Buffer.from(message.subarray(0, 3)).toString("latin1") === "eyJ";
}

/** The mutants. */
export const DISCLOSURE_MUTANTS: Mutant[] = [
  ["a wrong thumbprint", /RFC 7638/, instanceOf(withDescription(({ jkt }) => ({ jkt: jkt.toLowerCase() })))],
  ["an unknown protection", /RFC 7638/, instanceOf(withDescription(() => ({ protection: "military-grade" })))],
  ["another provider's URI", /RFC 7638/, instanceOf(withDescription(() => ({ uri: "best:key" })))],
  ["another algorithm in the description", /RFC 7638/, instanceOf(withDescription(() => ({ alg: "none" })))],
  ["a signature over another header", /jose/, instanceOf(ChangesTheHeader)],
  [
    "a wrong-key error without what is needed",
    /another type/,
    instanceOf(withError("wrong-key", (error) => copyOf(error, { message: `${error.uri} is a brainpoolP256r1 key.` }))),
  ],
  [
    "a wrong-key error without the type",
    /another type/,
    instanceOf(withError("wrong-key", (error) => copyOf(error, { message: `${error.uri} can't be used.` }))),
  ],
  [
    "a wrong value of retryable",
    /documented code/,
    instanceOf(withError("aborted", (error) => Object.assign(error, { retryable: true }))),
  ],
  [
    "an error message without the key",
    /documented code/,
    instanceOf(withError("aborted", (error) => copyOf(error, { message: "Aborted." }))),
  ],
  [
    "an error with another key's URI",
    /documented code/,
    instanceOf(withError("aborted", (error) => copyOf(error, { uri: "test:2" }))),
  ],
  ["a PIN in a field", /never shows a secret/, instanceOf(StoresPin)],
  ["a PIN in the output of inspect()", /never shows a secret/, instanceOf(PrintsPin)],
  [
    "a PIN in an error",
    /never shows a secret/,
    instanceOf(withError("aborted", (error) => copyOf(error, { message: `${error.message} (${PIN})` }))),
  ],
];
