/** The provider. Pass it to `registerProvider`, or name this package in `HARDPROOF_PROVIDERS`. */
import {
  callStore,
  checkTimeout,
  importPublicKey,
  KeySigner,
  type KeySignerOptions,
  type OpenKey,
  type Provider,
  SignerError,
  type SignOptions,
  signerError,
} from "hardproof/provider";
import { request } from "./client.js";
import { type KeyLocation, parseUri, SCHEME } from "./uri.js";

const ALGORITHM = "ES256";

/** Keys in a signing service. */
export const provider: Provider<KeySignerOptions & SignOptions> = {
  scheme: SCHEME,

  open(uri, options = {}) {
    const location = parseUri(uri);
    if (!location.name) throw signerError(uri, "misconfigured", "The URI doesn't name a key.");
    return new KeySigner({ provider: SCHEME, uri, open: ({ signal }) => openKey(location, signal) }, options);
  },

  list(uri, { algorithm, timeout, signal } = {}) {
    const location = parseUri(uri);
    const call = { uri, operation: "listing the keys", timeout: checkTimeout(uri, timeout), signal };
    return callStore(call, async ({ signal }) => {
      if (algorithm !== undefined && algorithm !== ALGORITHM) return [];
      const { keys } = await request(location, "/keys", { signal });
      return (Array.isArray(keys) ? keys : [])
        .map((key): Record<string, unknown> => Object(key))
        .filter((key) => key.algorithm === ALGORITHM && /^[\w-]+$/.test(String(key.name)))
        .map((key) => uri.replace(/^([\w-]+:\/\/[^/]+\/)[\w-]*/, `$1${key.name}`));
    });
  },
};

/** Pins the version that is current now. A rotation affects only signers that are opened later. */
async function openKey(location: KeyLocation, signal: AbortSignal): Promise<OpenKey> {
  const path = `/keys/${location.name}`;
  const { version, publicKey } = await request(location, path, { signal });
  if (typeof version !== "number") throw new SignerError("integrity", "The service didn't report the key's version.");
  return {
    publicKey: importPublicKey(Buffer.from(String(publicKey), "base64"), { allowed: [ALGORITHM] }).jwk,
    keyRef: `version ${version}`,
    signDigest: async (digest, { signal }) => {
      const body = { version, digest: Buffer.from(digest).toString("base64") };
      const response = await request(location, `${path}/sign`, { signal, body });
      const signature = Buffer.from(String(response.signature), "base64");
      return { signature, form: "raw", keyRef: `version ${response.version}` };
    },
    describe: async ({ signal }) => {
      const { exportable, version: current } = await request(location, path, { signal });
      return {
        protection: "external", // The service doesn't report where it stores its keys.
        exportable: typeof exportable === "boolean" ? exportable : "unknown",
        evidence: { name: location.name, exportable, version, current },
      };
    },
    close: () => undefined,
  };
}
