/** The JWS algorithms that a key can sign with (RFC 7518 §3.1), and their parameters. */

/** ECDSA on P-256 with SHA-256 (RFC 7518 §3.4). */
export const ES256 = {
  /** The name in a JWS header. */
  alg: "ES256",
  /** The curve in a JWK. */
  crv: "P-256",
  /** The curve in `node:crypto`. */
  namedCurve: "prime256v1",
  /** The hash function in `node:crypto`. */
  hash: "sha256",
  /** Bytes of a coordinate of the public key, and of each half of a signature. */
  coordinateBytes: 32,
  /** The order n of the curve: r and s are below it. */
  order: Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex"),
} as const;
