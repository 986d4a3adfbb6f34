/** `awskms:///<key id, alias/… or ARN>?region=…&endpoint=…`: keys in AWS KMS as URIs (RFC 3986). */
import { percentDecode, percentEncode, readAttributes, splitUri } from "../../src/keystore/uri.js";

export interface KmsLocation {
  /** Key id, alias or ARN; empty where the URI names a region or endpoint alone. */
  readonly keyId: string;
  readonly region?: string | undefined;
  /** A URL, for VPC endpoints and emulators. */
  readonly endpoint?: string | undefined;
}

/** @throws {SignerError} code `misconfigured`, pointing at the character that is wrong */
export function parseKmsUri(uri: string): KmsLocation {
  const { path, query, fail } = splitUri(uri, "awskms");
  if (!path.text.startsWith("///")) throw fail("After awskms: must stand ///", path.at);
  const attributes = readAttributes(query, "&", ["region", "endpoint"], fail);
  return {
    keyId: percentDecode({ text: path.text.slice(3), at: path.at + 3 }, fail).toString(),
    region: attributes.text("region"),
    endpoint: attributes.text("endpoint"),
  };
}

export function formatKmsUri({ keyId, region, endpoint }: KmsLocation): string {
  const attributes = Object.entries({ region, endpoint })
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => `${name}=${percentEncode(value, "/:")}`);
  return `awskms:///${percentEncode(keyId, "/:")}${attributes.length > 0 ? "?" : ""}${attributes.join("&")}`;
}
