/** The provider for `openssl:` URIs: opens and diagnoses keys. OpenSSL's loaders can't create keys, and Node can't list them. */
import type { Provider } from "../../src/keystore/provider.js";
import { splitUri } from "../../src/keystore/uri.js";
import { diagnoseOpenssl } from "./diagnose.js";
import { checkOptions, type OpensslKeyOptions, OpensslSigner, type OpensslSignerOptions } from "./signer.js";

/** Keys that OpenSSL opens by URI, such as `openssl:pkcs11:token=agents;object=dpop?pin-source=env:HSM_PIN`. */
export const provider: Provider<OpensslKeyOptions> = {
  scheme: "openssl",
  open: (uri, options) => new OpensslSigner(mergeUri(uri, options)),
  diagnose: (uri, options) => diagnoseOpenssl(checkOptions(mergeUri(uri, options)), options?.timeout),
};

function mergeUri(uri: string, options: OpensslKeyOptions = {}): OpensslSignerOptions {
  splitUri(uri, "openssl"); // rejects any other scheme
  return { ...options, key: uri.slice("openssl:".length) };
}
