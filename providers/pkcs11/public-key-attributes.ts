/** The attributes of a public key of each type, and their conversion to a JWK. */
import { SignerError } from "../../src/errors.js";
import type { Algorithm, KeyType } from "../../src/jose/algorithms.js";
import { jwkFromEcPoint, type PublicKeyMembers, publicMembers } from "../../src/jose/public-key.js";
import { CKA_EC_POINT, CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_VALUE } from "./constants.js";

interface Form {
  /** The types of the attributes. */
  readonly types: readonly number[];
  /** @param values - Of the attributes, in the same order. */
  toJwk(values: readonly Buffer[], algorithm: Algorithm): PublicKeyMembers;
}

/** By key type. */
export const PUBLIC_KEY_FORMS: Readonly<Record<KeyType, Form>> = {
  EC: { types: [CKA_EC_POINT], toJwk: ([point = NOTHING]) => publicMembers(jwkFromEcPoint(point)) },
  OKP: {
    types: [CKA_EC_POINT],
    toJwk: ([point = NOTHING]) => ({ kty: "OKP", crv: "Ed25519", x: edwardsPoint(point) }),
  },
  RSA: {
    types: [CKA_MODULUS, CKA_PUBLIC_EXPONENT],
    toJwk: ([n = NOTHING, e = NOTHING]) => ({ kty: "RSA", n: base64url(n), e: base64url(e) }),
  },
  AKP: { types: [CKA_VALUE], toJwk: ([pub = NOTHING], { alg }) => ({ kty: "AKP", alg, pub: base64url(pub) }) },
};

const NOTHING = Buffer.alloc(0);
/** The head of an OCTET STRING in DER, around a point of 32 bytes. */
const WRAPPED = Buffer.of(0x04, 32);

/** Some tokens wrap the point in an OCTET STRING, others don't. */
function edwardsPoint(point: Buffer): string {
  const isWrapped = point.length === 34 && point.subarray(0, 2).equals(WRAPPED);
  if (isWrapped || point.length === 32) return base64url(point.subarray(-32));
  throw new SignerError("wrong-key", `The public point (${point.length} bytes) isn't a point of Ed25519.`);
}

function base64url(bytes: Buffer): string {
  return bytes.toString("base64url");
}
