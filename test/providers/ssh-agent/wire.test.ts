/** The parsers of what an agent sends: any bytes are either a valid value or an `integrity` error. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import fc from "fast-check";
import { SignerError } from "hardproof";
import { describe, expect, it } from "vitest";
import { SSH_ALGORITHMS } from "../../../providers/ssh-agent/algorithms.js";
import { findKeys } from "../../../providers/ssh-agent/find-key.js";
import { fingerprintOf, readIdentities } from "../../../providers/ssh-agent/identities.js";
import { MessageBuffer } from "../../../providers/ssh-agent/message-buffer.js";
import { printable } from "../../../providers/ssh-agent/printable.js";
import { readPublicKey } from "../../../providers/ssh-agent/public-key.js";
import { readSignature } from "../../../providers/ssh-agent/signature.js";
import { ED25519_KEY, listResponse, mpint, signResponse, string } from "./messages.js";

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const es256 = SSH_ALGORITHMS[0] ?? expect.unreachable();

/** Checks that a parser returns a value, or throws a `SignerError` with one of the codes. */
function expectTotal(work: () => unknown, ...codes: string[]): void {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(SignerError);
    expect(codes).toContain((error as SignerError).code);
  }
}

/** Bytes that start like valid ones, so that a parser gets further than with random ones. */
const mutated = (valid: Buffer) =>
  fc.tuple(fc.nat(valid.length - 1), fc.nat(255), fc.nat(valid.length)).map(([at, byte, length]) => {
    const copy = Buffer.from(valid);
    copy[at] = byte;
    return copy.subarray(0, length);
  });

describe("a message", () => {
  it("is the same, however its bytes arrive", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.array(fc.integer({ min: 0, max: 9 })), (body, sizes) => {
        const buffer = new MessageBuffer();
        let rest = string(body);
        let message: Buffer | undefined;
        for (const size of [...sizes, rest.length]) {
          const before = message;
          message = rest.length > 0 ? buffer.add(rest.subarray(0, size)) : before;
          rest = rest.subarray(size);
          expect(message === undefined).toBe(rest.length > 0);
        }
        expect(message).toEqual(Buffer.from(body));
      }),
    );
  });

  it("of any bytes is incomplete, complete or refused", () => {
    fc.assert(fc.property(bytes, (chunk) => expectTotal(() => new MessageBuffer().add(chunk), "integrity")));
  });
});

describe("a list of keys", () => {
  const valid = listResponse([ED25519_KEY, "one"], [Buffer.from("two"), "2"]).subarray(5);

  it("is read as it was written, and a key that is listed twice is read once", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(bytes, fc.string())), (keys) => {
        const identities = readIdentities(listResponse(...keys, ...keys).subarray(5));
        const unique = new Map(keys.map(([key, comment]) => [`${key.toString("hex")} ${comment}`, { key, comment }]));
        expect(identities).toEqual([...unique.values()]);
      }),
    );
  });

  it("of any bytes is read or refused", () => {
    fc.assert(
      fc.property(fc.oneof(bytes, mutated(valid)), (answer) => expectTotal(() => readIdentities(answer), "integrity")),
    );
  });

  it("with any keys can be searched", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(bytes, mutated(ED25519_KEY))), (keys) => {
        const found = findKeys(
          keys.map((key) => ({ key, comment: "x" })),
          {},
        );
        for (const { type } of found) expect(SSH_ALGORITHMS.map(({ keyType }) => keyType)).toContain(type);
      }),
    );
  });
});

describe("a public key", () => {
  it("of any bytes is read or refused", () => {
    const ecKey = Buffer.concat([string("ecdsa-sha2-nistp256"), string("nistp256"), string(Buffer.alloc(65, 4))]);
    const rsaKey = Buffer.concat([string("ssh-rsa"), mpint(Buffer.of(3)), mpint(Buffer.alloc(256, 0xff))]);
    const input = fc.oneof(bytes, mutated(ED25519_KEY), mutated(ecKey), mutated(rsaKey));
    fc.assert(fc.property(input, (key) => expectTotal(() => readPublicKey(key), "wrong-key")));
  });

  it("has the fingerprint that OpenSSH prints", () => {
    // ssh-keygen -lf of "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl", GitHub's host key
    const key = Buffer.from("AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl", "base64");
    expect(fingerprintOf(key)).toBe("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
  });
});

describe("a signature", () => {
  const keys: readonly KeyObject[] = ["P-256", "P-384", "P-521"].map(
    (namedCurve) => generateKeyPairSync("ec", { namedCurve }).privateKey,
  );

  it("by ECDSA is converted to the r‖s that node:crypto makes, for each curve", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(2), fc.nat(3), (message, curve, zeros) => {
        const algorithm = SSH_ALGORITHMS[curve] ?? expect.unreachable();
        const key = keys[curve] ?? expect.unreachable();
        const raw = sign("sha256", message, { key, dsaEncoding: "ieee-p1363" });
        const half = raw.length / 2;
        const s = raw.subarray(half);
        const padded = string(Buffer.alloc(zeros + 1), s);
        const response = signResponse(algorithm.signatureType, Buffer.concat([mpint(raw.subarray(0, half)), padded]));
        expect(readSignature(response.subarray(9), algorithm, raw.length)).toEqual(raw);
      }),
    );
  });

  it("of any bytes is read or refused", () => {
    const valid = signResponse(es256.signatureType, Buffer.concat([mpint(Buffer.alloc(32, 1)), mpint(Buffer.of(9))]));
    const input = fc.oneof(bytes, mutated(valid.subarray(9)));
    fc.assert(
      fc.property(input, (signature) =>
        expectTotal(() => expect(readSignature(signature, es256, 64)).toHaveLength(64), "integrity"),
      ),
    );
  });
});

describe("printable text", () => {
  it("has no character that controls a terminal, whatever an agent chose", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(printable(text)).toMatch(/^[^\p{C}\p{Zl}\p{Zp}]*$/u);
      }),
    );
  });

  it("is the same for text without such characters", () => {
    expect(printable("me@work – Zoë 🔑")).toBe("me@work – Zoë 🔑");
  });
});
