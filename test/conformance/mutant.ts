/** What a mutant is: a signer with one defect, which exactly one case of the kit must find. */
import { KeySigner, type KeySignerOptions, type KeySource, type Signer, type SignOptions } from "hardproof";
import type { CreateSigner } from "./store.js";

/** A defect, the case that must fail, and the signer that has it. */
export type Mutant = readonly [defect: string, failingCase: RegExp, make: CreateSigner];

/** What `sign()` takes. */
export type Message = Parameters<Signer["sign"]>[0];

/** Returns a function that creates signers of a class. They don't verify their signatures, because the kit does. */
export const instanceOf =
  (SignerClass: new (source: KeySource, options?: KeySignerOptions) => Signer): CreateSigner =>
  (source, options) =>
    new SignerClass(source, { verify: "first", ...options });

/** Returns a function that creates signers which change their input before they sign it. */
export function withInput(input: (data: Uint8Array) => Uint8Array): CreateSigner {
  const ChangesItsInput = class extends KeySigner {
    override sign(data: Message, options?: SignOptions) {
      return super.sign(typeof data === "function" ? data : input(data), options);
    }
  };
  return instanceOf(ChangesItsInput);
}
