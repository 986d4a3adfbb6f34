/** A signer over any private key that Node has: a `KeyObject` or a `CryptoKey`, wherever the key itself is stored. */
import type { KeyObject, webcrypto } from "node:crypto";
import { types } from "node:util";
import { assertObject } from "./assert.js";
import { cryptoKey } from "./crypto-key.js";
import { inTurn } from "./in-turn.js";
import { KeySigner, type KeySignerOptions } from "./key-signer.js";
import type { KeySource } from "./key-source.js";
import { keyObject, type NodeKey } from "./node-key.js";
import { openNodeKey } from "./open-node-key.js";
import { misconfigured, withKeyUri } from "./signer-error.js";
import { splitUri } from "./uri.js";

/**
 * Options of {@link keyObjectSigner}. Default of `publicKey`: what Node derives from the private key, which not every
 * OpenSSL provider allows.
 */
export interface KeyObjectSignerOptions extends KeySignerOptions {
  /**
   * Names the key in errors, logs and descriptions: `keyobject:` and then any text, percent-encoded as in any URI. It
   * must not contain a secret. Default: `keyobject:`.
   */
  uri?: string | undefined;
  /**
   * Whether several signatures may be made at the same time. `false` for a key whose OpenSSL provider isn't thread-safe, such
   * as tpm2-openssl 1.1: all signers with `false` then take turns, each until its signature has been verified, which may
   * also happen in the provider. Default: `true`.
   */
  concurrent?: boolean | undefined;
}

const SCHEME = "keyobject";

/**
 * Returns a signer over a private `KeyObject` or `CryptoKey`: from PEM, from WebCrypto, or from an OpenSSL provider
 * (`createPrivateKey` with a URL, Node 24.21 and 26.7), whose key may be in hardware. Signatures are made by a thread of
 * libuv's pool.
 *
 * Node doesn't know where the key is stored. `describe()` returns `unknown`, so that {@link requireNonExportable} rejects
 * the key; a `CryptoKey` with `extractable: true` is exportable.
 *
 * @example
 * ```ts
 * const signer = keyObjectSigner(createPrivateKey(pem));
 * ```
 * @param key - The private key. An RSA `KeyObject` needs the option `algorithm`; a `CryptoKey` has its own. Give a
 *   `CryptoKey` that isn't extractable together with the option `publicKey`: otherwise, Node 24 and later print a warning.
 * @throws {SignerError} With code `wrong-key` if it isn't a private key that may sign; `misconfigured` if `timeout`,
 *   `algorithm` or `uri` isn't valid. The first use fails with `wrong-key` or `misconfigured` if the key can't sign with the
 *   algorithm, or its public key can't be read; and with `integrity` if `publicKey` belongs to another key.
 */
export function keyObjectSigner(
  key: KeyObject | webcrypto.CryptoKey,
  signerOptions: KeyObjectSignerOptions = {},
): KeySigner {
  const name = "The options of keyObjectSigner";
  const { uri = `${SCHEME}:`, concurrent = true, ...options } = assertObject(signerOptions, name);
  checkUri(uri);
  const nodeKey = concurrent ? nodeKeyOf(key, uri) : inTurn(nodeKeyOf(key, uri));
  const open: KeySource["open"] = (_, publicKey) => openNodeKey(nodeKey, publicKey, options.algorithm);
  return new KeySigner({ provider: SCHEME, uri, open }, options);
}

/** The URI appears in every error, and RFC 7512 allows a PIN in the URI of a STORE loader. */
function checkUri(uri: string): void {
  const { fail } = splitUri(uri, SCHEME);
  if (/pin-value=/i.test(uri)) throw fail("The URI is part of logs and errors, so it must not contain a pin-value");
}

function nodeKeyOf(key: KeyObject | webcrypto.CryptoKey, uri: string): NodeKey {
  try {
    // Unlike `instanceof`, these functions also recognise the keys of another realm.
    if (types.isCryptoKey(key)) return cryptoKey(key);
    if (types.isKeyObject(key)) return keyObject(key);
    throw misconfigured("The key must be a private KeyObject or CryptoKey of Node.");
  } catch (error) {
    throw withKeyUri(uri, error);
  }
}
