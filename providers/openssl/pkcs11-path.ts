/** The path of a `pkcs11:` URI (RFC 7512 §2.3), which OpenSSL's providers take too literally or not literally enough. */
import { readAttributes, type UriFailure, type UriPart } from "../../src/keystore/uri.js";

const TOKEN = ["token", "serial", "manufacturer", "model", "slot-id"];
const LIBRARY = ["library-manufacturer", "library-description", "library-version"];
const NAMES = [...TOKEN, "slot-description", "slot-manufacturer", ...LIBRARY, "object", "id", "type"];

/**
 * Checks that the path selects one token and one key. Otherwise, pkcs11-provider tries the PIN on every token, and takes the
 * first key. It also ignores attributes that it doesn't know.
 *
 * @returns The path, which selects private keys only, and the token that its PIN belongs to.
 * @throws {SignerError} With code `misconfigured`.
 */
export function checkPkcs11Path(path: UriPart, fail: UriFailure): { text: string; pinOwner: string } {
  const attributes = readAttributes(path, ";", NAMES, fail);
  const has = (name: string) => (attributes.bytes(name)?.length ?? 0) > 0;
  if (!has("token") && !has("serial"))
    throw fail("Add token or serial: OpenSSL would try the PIN on every token", path.at);
  if (!has("object") && !has("id"))
    throw fail("Add object or id: OpenSSL would use the first key of the token", path.at);
  const withNul = NAMES.find((name) => name !== "id" && attributes.bytes(name)?.includes(0));
  if (withNul) throw fail(`${withNul} contains a NUL, which ends a text in OpenSSL, and could select another key`);
  const type = attributes.text("type");
  if (type !== undefined && type !== "private") throw fail("type must be private: the private key signs");
  const token = TOKEN.map((name) => attributes.bytes(name)?.toString("latin1").trimEnd());
  return { text: type === undefined ? `${path.text};type=private` : path.text, pinOwner: JSON.stringify(token) };
}
