/** The identifiers of key versions in the responses of Key Vault. */
import { SignerError } from "../../src/errors.js";
import type { PipelineResponse } from "./client.js";
import { canonicalKeyId, type KeyId, parseKeyId } from "./key-id.js";

/** The headers and the body of a response, which the SDK doesn't return. */
export type RawResponse = { readonly headers: PipelineResponse["headers"]; readonly bodyAsText?: string | null };

/**
 * Parses the identifier of a key version.
 *
 * @throws {SignerError} With code `integrity` if it isn't one.
 */
export function parseReturnedId(kid: string | undefined): KeyId & { version: string } {
  try {
    const id = parseKeyId(kid ?? "");
    if (id.version !== undefined) return { ...id, version: id.version };
  } catch {
    // Reported below.
  }
  throw new SignerError("integrity", "The response doesn't contain the identifier of a key version.");
}

/**
 * Returns the key version that signed. The SDK returns the identifier of the request, so the response itself is read.
 *
 * @throws {SignerError} With code `integrity` if the response doesn't contain it.
 */
export function keyRefOf(raw: RawResponse | undefined): string {
  const { kid } = Object(JSON.parse(raw?.bodyAsText ?? "{}"));
  return canonicalKeyId(parseReturnedId(kid));
}
