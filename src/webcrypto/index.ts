/**
 * A `CryptoKeyPair` whose private half is a signer, for libraries that take nothing else: openid-client, oauth4webapi,
 * jose, dpop and others. Published as `hardproof/webcrypto`.
 *
 * Importing this module changes nothing. The first {@link toCryptoKeyPair} patches `SubtleCrypto.prototype.sign`, and
 * {@link restoreSubtleCrypto} takes the patch back.
 *
 * @example
 * ```ts
 * import { toCryptoKeyPair } from "hardproof/webcrypto";
 *
 * const pair = await toCryptoKeyPair(signer);
 * const handle = getDPoPHandle(config, pair); // of openid-client
 * ```
 */

export { toCryptoKeyPair } from "./crypto-key-pair.js";
export { restoreSubtleCrypto } from "./subtle-sign.js";
