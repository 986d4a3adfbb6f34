/** The provider for `tpm:` URIs: opens, creates, lists and deletes keys with the PKCS#11 code. */
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { algorithmToCreate } from "../../src/keystore/algorithm-to-create.js";
import type { Provider } from "../../src/keystore/provider.js";
import type { SignOptions } from "../../src/keystore/signer.js";
import type { KeySelector } from "../pkcs11/objects.js";
import { warnOfShownPin } from "../pkcs11/pin.js";
import type { TokenSelector } from "../pkcs11/token.js";
import {
  createKeyPair,
  deleteKeyPair,
  factsOfNewKey,
  listKeyUris,
  listTokens,
  type TokenTask,
} from "../pkcs11/token-tasks.js";
import { diagnoseTpm } from "./diagnose.js";
import { rethrowWithRemedy } from "./errors.js";
import { checkTpmOptions, TpmSigner, type TpmSignerOptions } from "./signer.js";
import { formatTpmUri, parseTpmUri } from "./uri.js";

/** Options that complete a URI. The parts of the URI take precedence, except for the PIN. */
export type TpmProviderOptions = Omit<TpmSignerOptions, "token" | "key"> & SignOptions;

/**
 * The algorithms of which tpm2-pkcs11 can create keys, if the TPM has the curve. It has PSS only for a TPM whose salts are
 * as long as the digest (FIPS 140), and fails to sign with P-521.
 */
const TPM_ALGORITHMS: readonly AlgorithmName[] = [
  ...(["ES256", "ES384"] as const),
  ...(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const),
];

/** Pass the validation of options where no key, or no token, is needed. */
const ANY_KEY = { label: "any" };
const ANY_TOKEN = { slot: 0 };

/** Keys in a TPM by URI, such as `tpm:token=agents;object=dpop?pin-source=env:TPM_PIN`. */
export const provider: Provider<TpmProviderOptions> = {
  scheme: "tpm",
  open: (uri, options) => new TpmSigner(mergeUri(uri, options)),
  async create(uri, options) {
    const merged = mergeUri(uri, options);
    algorithmToCreate(merged.algorithm, TPM_ALGORITHMS);
    return new TpmSigner({ ...merged, key: await createKeyPair(taskOn(merged)).catch(rethrowWithRemedy) });
  },
  async *list(uri, options) {
    const { key, ...rest } = mergeUri(uri, options);
    try {
      yield* listKeyUris({ ...taskOn({ ...rest, key: ANY_KEY }), key });
    } catch (error) {
      rethrowWithRemedy(error);
    }
  },
  factsOfNewKey: async (uri, options) => factsOfNewKey(taskOn(mergeUri(uri, options))).catch(rethrowWithRemedy),
  delete: async (uri, options) => deleteKeyPair(taskOn(mergeUri(uri, options))).catch(rethrowWithRemedy),
  async listTokens(uri, options) {
    const { token, ...rest } = mergeUri(uri, options);
    return listTokens({ ...taskOn({ ...rest, token: ANY_TOKEN, key: ANY_KEY }), token }).catch(rethrowWithRemedy);
  },
  diagnose: (uri, options) => diagnoseTpm(checkTpmOptions(mergeUri(uri, options))),
};

type MergedOptions = TpmSignerOptions & SignOptions & { token: TokenSelector; key: KeySelector };

function taskOn(options: TpmSignerOptions & SignOptions): TokenTask {
  const { timeout, signal } = options;
  return { ...checkTpmOptions(options), timeout, signal, uriOf: (...key) => formatTpmUri(options, ...key) };
}

/** The parts of the URI take precedence over the options, except for the PIN. */
function mergeUri(uri: string, options: TpmProviderOptions = {}): MergedOptions {
  const { token, key, pin, showsPin, store, tcti, module, algorithm } = parseTpmUri(uri);
  if (showsPin) warnOfShownPin("tpm");
  return {
    ...options,
    token,
    key,
    pin: options.pin ?? pin,
    store: store ?? options.store,
    tcti: tcti ?? options.tcti,
    module: module ?? options.module,
    algorithm: algorithm ?? options.algorithm,
  };
}
