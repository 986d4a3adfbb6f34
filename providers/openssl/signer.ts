/** A signer whose key OpenSSL opens, by a STORE loader of one of its providers. */
import type { KeyObject } from "node:crypto";
import { SignerError } from "../../src/errors.js";
import type { PublicKeyMembers } from "../../src/jose/public-key.js";
import { assertObject } from "../../src/keystore/assert.js";
import { inTurn, takeTurn } from "../../src/keystore/in-turn.js";
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import type { OpenKey, OpenKeyOptions } from "../../src/keystore/key-source.js";
import { keyObject, type NodeKey } from "../../src/keystore/node-key.js";
import { openNodeKey } from "../../src/keystore/open-node-key.js";
import { readPin } from "../../src/keystore/pin-source.js";
import { type SecretSource, withSecretSource } from "../../src/keystore/secret-source.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { signatureFailed } from "./errors.js";
import { loaderOf } from "./loaders.js";
import { checkNodeVersion } from "./node-version.js";
import { loadKeyInProcess } from "./thread-owner.js";
import { formatOpensslUri, type OpensslUri, parseOpensslUri } from "./uri.js";

/** Options that complete the key's URI. The attributes of the URI take precedence, except for the PIN. */
export interface OpensslKeyOptions extends KeySignerOptions {
  /** The PIN, passphrase or authorization value of the key, or where to read it. */
  pin?: SecretSource | undefined;
  /**
   * An OpenSSL property query that selects the loader, such as `provider=pkcs11`. Default: `provider=pkcs11` for `pkcs11:`,
   * and `provider=tpm2` for `handle:` and `object:`.
   */
  properties?: string | undefined;
  /** Allows `file:` URIs, whose keys may be in memory. Default: `false`. */
  allowFile?: boolean | undefined;
  /**
   * Whether the provider can make several signatures at the same time. If not, all such signers take turns. Default: `false`
   * for `handle:` and `object:`, because tpm2-openssl 1.1 isn't thread-safe, and otherwise `true`.
   */
  concurrent?: boolean | undefined;
}

/** Options of {@link OpensslSigner}. */
export interface OpensslSignerOptions extends OpensslKeyOptions {
  /** The key's URI, as a STORE loader takes it, such as `pkcs11:token=agents;object=dpop` or `handle:0x81000001`. */
  key: string;
}

/** A key, and how OpenSSL opens it. */
export interface OpensslKey extends Omit<OpensslUri, "pin"> {
  readonly pin: SecretSource | undefined;
  readonly concurrent: boolean;
}

/**
 * Signs with a key that an OpenSSL provider opens, in libuv's thread pool. Needs Node 24.21 or 26.7.
 *
 * @example
 * ```ts
 * const signer = new OpensslSigner({ key: "pkcs11:token=agents;object=dpop", pin: { env: "HSM_PIN" } });
 * ```
 */
export class OpensslSigner extends KeySigner {
  /**
   * Validates the options. Doesn't do any I/O: the key is opened when it is first used.
   *
   * @throws {SignerError} With code `misconfigured` if an option is invalid.
   */
  constructor(options: OpensslSignerOptions) {
    const key = checkOptions(options);
    const open = (deadline: OpenKeyOptions, publicKey?: Uint8Array | PublicKeyMembers) =>
      openOpensslKey(key, deadline, publicKey);
    const { algorithm = options.algorithm } = key;
    super({ provider: "openssl", uri: formatOpensslUri(key), open }, { ...options, algorithm });
  }
}

/**
 * Validates the options, and completes them for the loader.
 *
 * @throws {SignerError} With code `misconfigured` if an option is invalid.
 */
export function checkOptions(options: OpensslSignerOptions): OpensslKey {
  const { key, pin, properties, algorithm } = assertObject(options, "The options of OpensslSigner");
  if (typeof key !== "string") throw misconfigured("key must be a URI, such as pkcs11:token=agents;object=dpop.");
  const uri = parseOpensslUri(`openssl:${key}`);
  const loader = loaderOf(uri.scheme);
  const { allowFile = false, concurrent = loader.concurrent } = options;
  if (uri.scheme === "file" && !uri.allowFile && allowFile !== true)
    throw misconfigured(
      "openssl: A file may contain the key itself. Use a file: URI, or add allow-file=true to the URI if OpenSSL must open it. " +
        "In code, you can set the option allowFile.",
    );
  return {
    ...uri,
    pin: pin ?? uri.pin,
    properties: uri.properties ?? properties ?? loader.properties,
    algorithm: uri.algorithm ?? algorithm,
    concurrent,
  };
}

async function openOpensslKey(
  { pin: source, ...key }: OpensslKey,
  { signal }: OpenKeyOptions,
  publicKey: Uint8Array | PublicKeyMembers | undefined,
): Promise<OpenKey> {
  checkNodeVersion();
  const pin = source === undefined ? undefined : await readPin(source);
  checkLength(key.scheme, pin);
  const loaded = await loadKeyInProcess({ ...key, pin, publicKey }, signal).catch((error) => {
    throw source === undefined ? error : withSecretSource(error, "PIN", source);
  });
  const nodeKey = nodeKeyOf(key, loaded.key);
  if (key.concurrent) return openNodeKey(nodeKey, loaded.publicKey, key.algorithm);
  // To import the public key may be a call to the TPM.
  return takeTurn(() => openNodeKey(inTurn(nodeKey), loaded.publicKey, key.algorithm));
}

function checkLength(scheme: string, pin = ""): void {
  const { maxPinBytes = Number.POSITIVE_INFINITY } = loaderOf(scheme);
  if (Buffer.byteLength(pin) <= maxPinBytes) return;
  const message = `The PIN is longer than ${maxPinBytes} bytes, which the loader for ${scheme}: URIs can't take.`;
  throw new SignerError("pin-required", `${message} No login was attempted.`);
}

/** OpenSSL doesn't report where the key is, nor whether it can leave. */
function nodeKeyOf({ scheme, properties }: Pick<OpensslKey, "scheme" | "properties">, key: KeyObject): NodeKey {
  const { openssl } = process.versions;
  const loader = { loadedBy: "OpenSSL STORE", loader: scheme, ...(properties !== undefined && { properties }) };
  const nodeKey = keyObject(key);
  return {
    ...nodeKey,
    facts: { protection: "unknown", exportable: "unknown", evidence: { ...loader, openssl } },
    sign: async (message, ...rest) => {
      checkNotEmpty(message);
      return nodeKey.sign(message, ...rest).catch((cause) => {
        throw signatureFailed(cause);
      });
    },
  };
}

/** With an empty message, pkcs11-provider can leave a session of the token in the middle of a signature, for ever. */
function checkNotEmpty(message: Uint8Array): void {
  if (message.length > 0) return;
  throw misconfigured("OpenSSL's providers can't all sign an empty message: it must have at least 1 byte.");
}
