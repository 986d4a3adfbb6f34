/** What the scheme `tpm` stands for. */
import type { Provider } from "../../src/provider.js";
import { diagnoseTpm } from "./diagnose.js";
import { TpmSigner, type TpmSignerOptions } from "./signer.js";
import { parseTpmUri } from "./uri.js";

/** Options given beside the URI go before what it says. */
export const provider: Provider<Partial<TpmSignerOptions>> = {
  scheme: "tpm",
  open: (uri, options = {}) => new TpmSigner({ ...parseTpmUri(uri), ...options }),
  diagnose: (uri, options = {}) => diagnoseTpm({ ...parseTpmUri(uri), ...options }),
};
