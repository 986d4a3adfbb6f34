/** Keys in memory: fresh, from PEM, from a JWK, and by URI. */
import { generateKeyPairSync } from "node:crypto";
import { createKey, openSigner, SignerError } from "hardproof";
import { conformance } from "hardproof/conformance";
import { MemorySigner } from "hardproof/memory";
import { describe, expect, it } from "vitest";

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const jwk = privateKey.export({ format: "jwk" });

describe("the conformance kit", () => {
  const cases = conformance({
    open: () => MemorySigner.fromJwk(jwk),
    secrets: [jwk.d ?? ""],
    connections: "There is nothing to connect to.",
    failsFirst: "There is nothing to connect to.",
    hanging: "A key in memory signs at once.",
    wrongKey: "A key of another type is refused by the constructor.",
    onEventLoop: "A key in memory signs at once.",
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});

describe("memory:", () => {
  it("is a fresh key each time that it is opened or made", async () => {
    const keys = [await openSigner("memory:"), await openSigner("memory:"), await createKey("memory:")];
    expect(new Set((await Promise.all(keys.map((key) => key.describe()))).map(({ jkt }) => jkt)).size).toBe(3);
  });

  it.each(["memory:key", "memory://", "memory:?extractable=1", "memory:#a", "memory: "])(
    "%s is refused",
    async (uri) => {
      await expect(openSigner(uri)).rejects.toThrow(/^memory: .* \(character \d+ of the URI\)\.$/);
    },
  );
});

describe.each(["pkcs8", "sec1"] as const)("%s", (type) => {
  const bare = privateKey.export({ type, format: "pem" }).toString();
  const encrypted = privateKey.export({ type, format: "pem", cipher: "aes-256-cbc", passphrase: "right" }).toString();
  const codeOf = (pem: string, passphrase?: string) => {
    try {
      MemorySigner.fromPem(pem, { passphrase });
    } catch (error) {
      if (error instanceof SignerError && error.uri === "memory:") return error.code;
      throw error;
    }
    return "opened";
  };

  it("is opened, with its passphrase where it has one", () => {
    expect([codeOf(bare), codeOf(bare, "any"), codeOf(encrypted, "right")]).toEqual(["opened", "opened", "opened"]);
  });

  it("tells a passphrase that is missing from one that is wrong", () => {
    expect([codeOf(encrypted), codeOf(encrypted, "wrong")]).toEqual(["pin-required", "pin-incorrect"]);
  });
});
