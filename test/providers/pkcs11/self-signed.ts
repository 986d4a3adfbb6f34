/** A minimal self-signed X.509 certificate (RFC 5280 §4.1), which contains a key's public key. */
import { createPublicKey } from "node:crypto";
import type { Signer } from "hardproof";
import { ES256 } from "../../../src/jose/algorithms.js";
import { rawToDer } from "../../../src/jose/ecdsa-der.js";

const ECDSA_WITH_SHA256 = Buffer.from("300a06082a8648ce3d040302", "hex");

/** Returns the certificate of the signer's key in DER. */
export async function selfSigned(signer: Signer): Promise<Buffer> {
  const name = der(0x30, der(0x31, der(0x30, Buffer.from("0603550403", "hex"), der(0x0c, Buffer.from("hardproof")))));
  const validity = der(0x30, der(0x17, Buffer.from("250101000000Z")), der(0x17, Buffer.from("450101000000Z")));
  const spki = createPublicKey({ key: { ...(await signer.publicJwk()) }, format: "jwk" });
  const subject = [name, spki.export({ type: "spki", format: "der" })];
  const serial = der(0x02, Buffer.from([1]));
  const toBeSigned = der(0x30, serial, ECDSA_WITH_SHA256, name, validity, ...subject);
  const signature = rawToDer(await signer.sign(toBeSigned), ES256);
  return der(0x30, toBeSigned, ECDSA_WITH_SHA256, der(0x03, Buffer.from([0]), Buffer.from(signature)));
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const length = value.length < 128 ? [value.length] : [0x82, value.length >> 8, value.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), value]);
}
