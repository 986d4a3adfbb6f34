/** Signatures as SSH encodes them (RFC 4253 §6.6, RFC 5656 §3.1.2, RFC 8332 §3), in JOSE's format. */
import { SignerError } from "../../src/errors.js";
import { jwsAlgorithm, SSH_ALGORITHMS, type SshAlgorithm } from "./algorithms.js";
import { printable } from "./printable.js";
import { WireReader } from "./wire.js";

/**
 * Reads a signature.
 *
 * @param signature - As the agent encodes it: its type, and then its value.
 * @param signatureBytes - The length of the key's signatures in JOSE's format.
 * @returns r‖s for ECDSA. It isn't verified.
 * @throws {SignerError} With code `integrity` if it has another type, or is malformed.
 */
export function readSignature(signature: Buffer, algorithm: SshAlgorithm, signatureBytes: number): Buffer {
  const reader = new WireReader(signature, "The agent's signature");
  const type = reader.name();
  if (type !== algorithm.signatureType) throw wrongType(type, algorithm);
  const value = reader.string();
  reader.end();
  const kty = jwsAlgorithm(algorithm)?.kty;
  if (kty === "EC") return readEcdsa(value, signatureBytes / 2);
  // Some agents omit the zeros at the start of an RSA signature, as of any integer.
  return kty === "RSA" ? pad(value, signatureBytes) : value;
}

function readEcdsa(value: Buffer, coordinateBytes: number): Buffer {
  const reader = new WireReader(value, "The agent's ECDSA signature");
  const [r, s] = [reader.positive(), reader.positive()];
  reader.end();
  if (r.length > coordinateBytes || s.length > coordinateBytes)
    throw new SignerError("integrity", "The agent's ECDSA signature is out of range for the key's curve.");
  return Buffer.concat([pad(r, coordinateBytes), pad(s, coordinateBytes)]);
}

/** Returns a value that is too long as it is, so that its length is rejected with the others. */
function pad(value: Buffer, length: number): Buffer {
  return Buffer.concat([Buffer.alloc(Math.max(0, length - value.length)), value]);
}

/** An agent that ignores the flags of a request always uses the same hash for RSA. */
function wrongType(type: string, { keyType, signatureType }: SshAlgorithm): SignerError {
  const other = SSH_ALGORITHMS.find((row) => row.keyType === keyType && row.signatureType === type);
  const remedy = other
    ? `Set algorithm to ${other.alg}, which this agent signs with.`
    : "Use an agent that supports it, or an EC or Ed25519 key.";
  const message = `The agent made a signature of type ${printable(type)} instead of ${signatureType}`;
  return new SignerError("integrity", `${message}. It was discarded. ${remedy}`);
}
