/** The `htu` of a proof for a server that compares it with another URL than the one that the client requests. */
import { DPoPError } from "../errors.js";
import type { ProofOptions } from "./proof-options.js";

/** The option `htu`. */
export interface HtuOption {
  /**
   * Returns the `htu` of each proof, for a server that sees another URL than the client: behind a proxy that ends TLS or
   * removes a path prefix, for example. Its argument is a copy of the request's URL, without query and fragment. It can
   * return the changed copy, or a string, which is signed unchanged even if it isn't a URL. Default: the request's URL.
   */
  htu?: ((url: URL) => string | URL) | undefined;
}

/** The message for an option that isn't a function. */
export const HTU_NOT_A_FUNCTION = "htu must be a function that returns the URL to sign in a proof.";

/** Whether the option can be used. */
export function isHtuOption({ htu }: HtuOption): boolean {
  return htu === undefined || typeof htu === "function";
}

/** Returns the options of `makeProof` for a request. */
export function signedHtu(url: URL, { htu }: HtuOption): Pick<ProofOptions, "htu" | "exactHtu"> {
  if (htu === undefined) return { htu: url };
  const copy = new URL(url);
  copy.search = "";
  copy.hash = "";
  const signed = htu(copy);
  return { htu: signed, exactHtu: !(signed instanceof URL) };
}

/**
 * Returns an `htu` that is signed as it is.
 *
 * @throws {DPoPError} With code `invalid-htu` if it isn't a non-empty string.
 */
export function assertExactHtu(htu: unknown): string {
  if (typeof htu === "string" && htu !== "") return htu;
  throw new DPoPError("invalid-htu", "htu must be a non-empty string to be signed exactly as it is.");
}
