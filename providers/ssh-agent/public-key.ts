/** Public keys as SSH encodes them (RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4). */
import { SignerError } from "../../src/errors.js";
import type { PublicKeyMembers } from "../../src/jose/public-key.js";
import { jwsAlgorithm, KEY_TYPES, SSH_ALGORITHMS, type SshAlgorithm } from "./algorithms.js";
import { printable } from "./printable.js";
import { WireReader } from "./wire.js";

/** Bytes of the longest integer of an RSA key that OpenSSL verifies signatures of. */
const MAX_INTEGER = 2048;

/** A public key, and the algorithms for its type. */
export interface SshPublicKey {
  readonly type: string;
  readonly members: PublicKeyMembers;
  readonly algorithms: readonly SshAlgorithm[];
}

/**
 * Reads a public key.
 *
 * @throws {SignerError} With code `wrong-key` if there isn't an algorithm for its type, or it is malformed. The message
 *   says why.
 */
export function readPublicKey(key: Buffer): SshPublicKey {
  try {
    const reader = new WireReader(key, "The public key");
    const type = reader.name();
    const algorithms = SSH_ALGORITHMS.filter(({ keyType }) => keyType === type);
    const [first] = algorithms;
    if (first === undefined) throw unsupported(type);
    const members = readMembers(reader, first);
    reader.end();
    return { type, members, algorithms };
  } catch (error) {
    if (!(error instanceof SignerError)) throw error;
    throw new SignerError("wrong-key", error.message);
  }
}

/** Why keys of a type can't be used, by the type's beginning or end. */
const REASONS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /^(webauthn-)?sk-/,
    "It signs the message together with a counter of its security key, which no JWS algorithm does.",
  ],
  [/-cert-v0\d@openssh\.com$/, "It is a certificate. Use the key that it certifies, which ssh-add adds as well."],
];

function unsupported(type: string): SignerError {
  const reason = REASONS.find(([pattern]) => pattern.test(type))?.[1] ?? "There isn't a JWS algorithm for it.";
  return new SignerError(
    "wrong-key",
    `The type of this key is ${printable(type)}. ${reason} Use a key of one of the types ${KEY_TYPES.join(", ")}.`,
  );
}

function readMembers(reader: WireReader, algorithm: SshAlgorithm): PublicKeyMembers {
  const row = jwsAlgorithm(algorithm);
  if (row?.kty === "EC") return { kty: row.kty, crv: row.crv, ...readPoint(reader, algorithm, row.coordinateBytes) };
  if (row?.kty === "OKP") return { kty: row.kty, crv: row.crv, x: reader.string().toString("base64url") };
  const [e, n] = [reader.positive(), reader.positive()];
  if (n.length > MAX_INTEGER || e.length > MAX_INTEGER)
    throw new SignerError("wrong-key", `This key is RSA ${n.length * 8}, and the longest is RSA ${MAX_INTEGER * 8}.`);
  return { kty: "RSA", e: e.toString("base64url"), n: n.toString("base64url") };
}

const UNCOMPRESSED = 4;

/** The name of the curve is also the end of the key's type (RFC 5656 §6.1). */
function readPoint(reader: WireReader, { keyType }: SshAlgorithm, bytes: number): { x: string; y: string } {
  const [curve, point] = [reader.name(), reader.string()];
  if (!keyType.endsWith(`-${curve}`) || point.length !== 1 + 2 * bytes || point[0] !== UNCOMPRESSED)
    throw new SignerError("wrong-key", `The public key of type ${keyType} isn't an uncompressed point on its curve.`);
  return { x: point.toString("base64url", 1, 1 + bytes), y: point.toString("base64url", 1 + bytes) };
}
