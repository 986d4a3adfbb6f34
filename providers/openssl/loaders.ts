/** What is known about OpenSSL's STORE loaders. Any other loader that the process has can be used, too. */

/** A STORE loader, which an OpenSSL provider adds for the URIs of its keys. */
export interface Loader {
  /**
   * The property query that selects the loader. Without one, OpenSSL first looks in the current directory for a file whose
   * name is the URI.
   */
  readonly properties?: string;
  /** Whether the provider can make several signatures at the same time. */
  readonly concurrent: boolean;
  /** When a wrong PIN is found: when the key is loaded, or not before it signs. `unknown` means either. */
  readonly checksPin: "loading" | "signing" | "unknown";
  /** The most bytes of a PIN that the loader takes. It would prompt for a longer one. */
  readonly maxPinBytes?: number;
}

/** tpm2-openssl 1.1 isn't thread-safe, and its errors don't show whether the TPM has rejected the PIN. */
const TPM: Loader = { properties: "provider=tpm2", concurrent: false, checksPin: "signing" };

const LOADERS: Readonly<Record<string, Loader>> = {
  handle: TPM,
  object: TPM,
  pkcs11: { properties: "provider=pkcs11", concurrent: true, checksPin: "loading", maxPinBytes: 32 },
};

/** Returns what is known about the loader of a scheme. */
export function loaderOf(scheme: string): Loader {
  return new Map(Object.entries(LOADERS)).get(scheme) ?? { concurrent: true, checksPin: "unknown" };
}

/** Returns whether a key in the TPM is loaded with its PIN only if its URI ends with `?pass`. */
export function asksForPass(scheme: string): boolean {
  return loaderOf(scheme) === TPM;
}
