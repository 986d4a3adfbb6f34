/** URIs of keys in AWS KMS (RFC 3986): `awskms:///<key id, alias/… or ARN>?region=…&endpoint=…&algorithm=…`. */
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { formatAttributes, percentDecode, percentEncode, readAttributes, splitUri } from "../../src/keystore/uri.js";

/** The parts of an `awskms:` URI. */
export interface KmsLocation {
  /** Key id, alias or ARN. Empty if the URI doesn't name a key. */
  readonly keyId: string;
  /** The AWS region. */
  readonly region?: string | undefined;
  /** The URL of a VPC endpoint or an emulator. */
  readonly endpoint?: string | undefined;
  /** The JWS algorithm, which an RSA key needs. */
  readonly algorithm?: AlgorithmName | undefined;
}

/**
 * Parses an `awskms:` URI.
 *
 * @throws {SignerError} With code `misconfigured`. The message contains the position of the error.
 */
export function parseKmsUri(uri: string): KmsLocation {
  const { path, query, fail } = splitUri(uri, "awskms");
  if (!path.text.startsWith("///")) throw fail("Expected /// after awskms:", path.at);
  const attributes = readAttributes(query, "&", ["region", "endpoint", "algorithm"], fail);
  return {
    keyId: percentDecode({ text: path.text.slice(3), at: path.at + 3 }, fail).toString(),
    region: attributes.text("region"),
    endpoint: attributes.text("endpoint"),
    algorithm: attributes.algorithm(),
  };
}

/** Returns the URI that {@link parseKmsUri} parses. */
export function formatKmsUri({ keyId, region, endpoint, algorithm }: KmsLocation): string {
  const query = formatAttributes({ region, endpoint, algorithm }, "&", "/:");
  return `awskms:///${percentEncode(keyId, "/:")}${query && `?${query}`}`;
}
