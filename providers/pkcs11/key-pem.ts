/** The PEM that names a token's key for OpenSSL's pkcs11-provider, and so for `tls`, `https` and undici. */
import type { SecretReference } from "../../src/keystore/secret-source.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { percentEncode } from "../../src/keystore/uri.js";
import { formatKeyUri, parsePkcs11Uri } from "./uri.js";

/** The label of the PEM, and the content's first member: pkcs11-provider's `pk11_uri.h` defines both. */
const LABEL = "PKCS#11 PROVIDER URI";
const DESCRIPTION = "PKCS#11 Provider URI v1.0";

/** Tags of DER (X.690 §8). They are encoded here, because loading a DER library takes longer than loading this provider. */
const SEQUENCE = 0x30;
const UTF8_STRING = 0x0c;
const VISIBLE_STRING = 0x1a;

/**
 * Returns the PEM that names a key on a PKCS#11 token, for the option `key` of `tls`, `https` or undici's `Agent`. It
 * doesn't contain the key. OpenSSL must have loaded pkcs11-provider by its configuration (`node --openssl-config`), which
 * also names the library: `module-path`, `sessions` and `algorithm` of the URI are dropped. Load the PEM once, by
 * `tls.createSecureContext`, and pass the context to each connection.
 *
 * Don't pass a `passphrase` beside this PEM: Node tries it as the PIN, and a wrong one costs seven tries for each call, so
 * that the first call locks the token. A wrong PIN in the URI's `pin-source` costs one.
 *
 * @param uri - The key's URI, with `token` or `serial`, with `object` or `id`, and with the PIN as `pin-source=/path`, such as
 *   `pkcs11:token=agents;object=tls?pin-source=/run/secrets/hsm-pin`. OpenSSL reads the file's first line each time it
 *   loads the key.
 * @throws {SignerError} With code `misconfigured` if the URI is invalid, selects every token or key, or has a PIN that
 *   OpenSSL can't read from a file.
 */
export function pkcs11KeyPem(uri: string): string {
  const members = [encodeDer(VISIBLE_STRING, DESCRIPTION), encodeDer(UTF8_STRING, openSslKeyUri(uri))];
  const der = encodeDer(SEQUENCE, Buffer.concat(members));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${LABEL}-----`, ...lines, `-----END ${LABEL}-----`, ""].join("\n");
}

/** Encodes a value with its tag and its length, which is one byte below 128 (X.690 §8.1.3, §10.1). */
function encodeDer(tag: number, content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content);
  const digits = bytes.length.toString(16);
  const length = Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");
  const longForm = bytes.length < 0x80 ? [] : [0x80 | length.length];
  return Buffer.concat([Uint8Array.of(tag, ...longForm), length, bytes]);
}

function openSslKeyUri(uri: string): string {
  const { token, key, pin, showsPin } = parsePkcs11Uri(uri);
  if (token.label === undefined && token.serial === undefined)
    throw unusable("Add token or serial to the URI: OpenSSL would try the PIN on every token.");
  if (key.label === undefined && key.id === undefined)
    throw unusable("Add object or id to the URI: OpenSSL would use the first key of the token.");
  if ([token.label, token.serial, token.manufacturer, token.model, key.label].some((text) => text?.includes("\0")))
    throw unusable(
      "An attribute of the URI contains a NUL (%00). It ends a text in OpenSSL, and could select another key.",
    );
  if (showsPin) throw unusable(`The URI contains the PIN itself (pin-value), and a PEM ends up in files. ${USE_FILE}`);
  const selection = `${formatKeyUri("pkcs11", token, key, {})};type=private`;
  return pin === undefined ? selection : `${selection}?pin-source=file:${percentEncode(pinFile(pin), "/")}`;
}

const USE_FILE = "Write the PIN to a file that only this user can read, and use pin-source=/path/of/the/file.";

function pinFile(pin: string | SecretReference | (() => unknown)): string {
  if (typeof pin === "object" && "file" in pin) return pin.file;
  throw unusable(`OpenSSL can't read a PIN from an environment variable. ${USE_FILE}`);
}

function unusable(problem: string) {
  return misconfigured(`pkcs11KeyPem: ${problem}`);
}
