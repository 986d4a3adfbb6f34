/**
 * The part of WebCrypto that @peculiar/x509 uses to encode a request or a certificate, by a signer. It is passed to each
 * call, so that nothing global changes and the process's own WebCrypto never sees the key.
 */
import { getRandomValues } from "node:crypto";
import { type ImportedPublicKey, importPublicKey, type Signer } from "../index.js";

/** A key, as far as @peculiar/x509 reads it. */
interface KeyHandle {
  readonly type: "public" | "private";
  /** `@peculiar/x509` chooses the OIDs from it (RFC 5758 §3.2, RFC 4055, RFC 8410, RFC 9881). */
  readonly algorithm: ImportedPublicKey["algorithm"]["webCrypto"];
  readonly extractable: boolean;
  readonly usages: readonly string[];
}

/** The arguments that @peculiar/x509 takes, which are typed as those of a browser. */
export interface SignerCrypto {
  readonly keys: { readonly publicKey: CryptoKey; readonly privateKey: CryptoKey };
  readonly signingAlgorithm: EcdsaParams;
  readonly crypto: Crypto;
}

type CryptoKey = import("node:crypto").webcrypto.CryptoKey;
type Crypto = import("node:crypto").webcrypto.Crypto;
type EcdsaParams = import("node:crypto").webcrypto.EcdsaParams;

/** Reads the public key, and returns the arguments for it. */
export async function signerCrypto(signer: Signer, signal: AbortSignal | undefined): Promise<SignerCrypto> {
  const { key, algorithm: row } = importPublicKey(await signer.publicJwk({ signal }));
  const spki = key.export({ type: "spki", format: "der" });
  const algorithm = row.webCrypto;
  const publicKey: KeyHandle = { type: "public", algorithm, extractable: true, usages: ["verify"] };
  const privateKey: KeyHandle = { type: "private", algorithm, extractable: false, usages: ["sign"] };
  const subtle = {
    exportKey: async () => exactBuffer(spki),
    sign: async (_algorithm: unknown, _key: unknown, data: ArrayBuffer) =>
      exactBuffer(await signer.sign(new Uint8Array(data), { signal })),
  };
  return {
    keys: { publicKey, privateKey },
    signingAlgorithm: algorithm,
    crypto: { subtle, getRandomValues },
  } as unknown as SignerCrypto;
}

/** Returns a buffer of its own: that of a Node `Buffer` may be a shared pool. */
function exactBuffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
