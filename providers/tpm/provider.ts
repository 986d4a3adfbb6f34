/** The provider of `tpm:` URIs: opens, makes and lists keys, by the code for PKCS#11. */
import type { Provider } from "../../src/keystore/provider.js";
import type { SignOptions } from "../../src/keystore/signer.js";
import type { KeySelector } from "../pkcs11/objects.js";
import { warnOfShownPin } from "../pkcs11/pin.js";
import { createKeyPair, listKeyUris, type TokenTask } from "../pkcs11/token-tasks.js";
import { diagnoseTpm } from "./diagnose.js";
import { checkTpmOptions, TpmSigner, type TpmSignerOptions, withRemedy } from "./signer.js";
import { formatTpmUri, parseTpmUri } from "./uri.js";

/** What a URI does not say. A `pin` given here is used in place of the URI's. */
export type TpmProviderOptions = Omit<TpmSignerOptions, "token" | "key"> & SignOptions;

/** Stands for any key, where none needs to be named. */
const ANY_KEY = { label: "any" };

export const provider: Provider<TpmProviderOptions> = {
  scheme: "tpm",
  open: (uri, options) => new TpmSigner(fromUri(uri, options)),
  async create(uri, options) {
    const wanted = fromUri(uri, options);
    return new TpmSigner({ ...wanted, key: await createKeyPair(taskOn(wanted)).catch(withRemedy) });
  },
  async list(uri, options) {
    const { key, ...rest } = fromUri(uri, options);
    return listKeyUris({ ...taskOn({ ...rest, key: ANY_KEY }), key }).catch(withRemedy);
  },
  diagnose: (uri, options) => diagnoseTpm(checkTpmOptions(fromUri(uri, options))),
};

type Wanted = TpmSignerOptions & SignOptions & { key: KeySelector };

function taskOn(options: TpmSignerOptions & SignOptions): TokenTask {
  const { timeout, signal } = options;
  return { ...checkTpmOptions(options), timeout, signal, uriOf: (token, key) => formatTpmUri(options, token, key) };
}

function fromUri(uri: string, options: TpmProviderOptions = {}): Wanted {
  const { token, key, pin, showsPin, store, tcti, module } = parseTpmUri(uri);
  if (showsPin) warnOfShownPin("tpm");
  return {
    ...options,
    token,
    key,
    pin: options.pin ?? pin,
    store: store ?? options.store,
    tcti: tcti ?? options.tcti,
    module: module ?? options.module,
  };
}
