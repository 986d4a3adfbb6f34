/** What is read from arbitrary errors, tokens and keys: never a secret, and never another error. */
import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { publicKeyOf } from "../../../providers/azure-kv/described-key.js";
import { toSignerError } from "../../../providers/azure-kv/errors.js";
import { readFailure } from "../../../providers/azure-kv/failure.js";
import { describeIdentity } from "../../../providers/azure-kv/identity.js";
import { redact } from "../../../providers/azure-kv/redact.js";

afterEach(() => vi.unstubAllEnvs());

const VAULT = "https://v.vault.azure.net";
const withRetryAfter = (value: string) => ({
  response: { headers: { get: (name: string) => (name === "retry-after" ? value : undefined) } },
});

it("a coordinate without its leading zeros is padded to the length of the curve", () => {
  for (;;) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { x = "", y = "" } = privateKey.export({ format: "jwk" });
    const bytes = Buffer.from(x, "base64url");
    if (bytes[0] !== 0) continue;
    const key = { crv: "P-256", x: bytes.subarray(1), y: Buffer.from(y, "base64url") };
    const found = { key, keyType: "EC-HSM", name: "dpop", properties: { name: "dpop", vaultUrl: VAULT } };
    expect(publicKeyOf(found as never, undefined)).toEqual({ kty: "EC", crv: "P-256", x, y, alg: "ES256" });
    return;
  }
});

describe("an error", () => {
  it("of any kind becomes a SignerError with a code", () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.string(), (thrown, details, message) => {
        const error = Object.assign(new Error(message), { details, code: thrown, statusCode: thrown });
        for (const each of [thrown, error]) {
          const mapped = toSignerError(each, "sign", VAULT);
          expect(mapped).toMatchObject({ name: "SignerError", code: expect.stringMatching(/^[a-z-]+$/) });
          expect(mapped.message).not.toMatch(/\p{Cc}/u);
        }
      }),
    );
  });

  it.each([
    ["5", 5_000],
    ["0", 0],
    ["-1", 0],
    ["soon", 0],
    ["", 0],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
  ])("asks to wait %j", (value, milliseconds) => {
    expect(readFailure(withRetryAfter(value), () => false).retryAfter).toBe(milliseconds);
  });

  it("asks to wait until a date", () => {
    const { retryAfter } = readFailure(withRetryAfter(new Date(Date.now() + 60_000).toUTCString()), () => false);
    expect(retryAfter).toBeGreaterThan(50_000);
    expect(retryAfter).toBeLessThanOrEqual(60_000);
  });
});

describe("a secret", () => {
  it("is removed in every form in which a request or a response has it", () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9~._-]{12,40}$/);
    const form = fc.constantFrom(
      (value: string) => `client_secret=${value}&grant_type=client_credentials`,
      (value: string) => `{"access_token":"${value}","expires_in":3600}`,
      (value: string) => `{"refresh_token": "${value}"}`,
      (value: string) => `authorization: Bearer ${value}`,
      (value: string) => `client_assertion=${value}`,
      (value: string) => `"password": "${value}"`,
    );
    fc.assert(
      fc.property(secret, form, (value, toText) => {
        expect(redact(toText(value))).not.toContain(value);
      }),
    );
  });

  it("in the environment is removed wherever it appears", () => {
    vi.stubEnv("AZURE_CLIENT_SECRET", "a+b/c d&e=f");
    expect(redact("no a+b/c d&e=f, nor a%2Bb%2Fc%20d%26e%3Df")).toBe("no …, nor …");
  });

  it("that is a JWT is removed", () => {
    expect(redact("token eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln!")).toBe("token …!");
  });
});

describe("a token", () => {
  const tokenOf = (claims: unknown) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;
  it.each([
    [{ appid: "04b07795-8ddb-461a-bbee-02f9e1bf7b46", oid: "o1", tid: "t1" }, "Azure CLI, object o1, of tenant t1"],
    [{ appid: "a1", tid: "t1", xms_mirid: "/subscriptions/s" }, "managed identity a1, of tenant t1"],
    [{ azp: "a1", tid: "t1" }, "application a1, of tenant t1"],
    [{}, "a token was issued"],
    [{ appid: "a\nb", tid: { a: 1 } }, "a token was issued"],
    [null, "a token was issued"],
  ])("with the claims %j was issued to %s", (claims, described) => {
    expect(describeIdentity(tokenOf(claims))).toBe(described);
  });

  it("of any kind is described without an error", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.jsonValue().map(tokenOf)), (token) => {
        expect(describeIdentity(token)).not.toMatch(/\p{Cc}/u);
      }),
    );
  });
});
