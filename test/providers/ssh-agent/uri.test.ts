/** URIs and names of keys in an agent, which are validated without I/O. */
import fc from "fast-check";
import { SignerError } from "hardproof";
import { provider, type SshAgentKey, SshAgentSigner } from "hardproof/ssh-agent";
import { describe, expect, it } from "vitest";
import { formatSshAgentUri, parseSshAgentUri } from "../../../providers/ssh-agent/uri.js";

const FINGERPRINT = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
const errorOf = (work: () => unknown): SignerError => {
  try {
    work();
  } catch (error) {
    if (error instanceof SignerError) return error;
    throw error;
  }
  return expect.unreachable();
};

const fingerprint = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((hash) => `SHA256:${Buffer.from(hash).toString("base64").replace("=", "")}`);
const text = fc.string({ unit: "grapheme", minLength: 1 }).filter((value) => !value.includes("\0"));
const key = fc.oneof(
  fingerprint.map((value) => ({ fingerprint: value, comment: undefined })),
  text.map((value) => ({ fingerprint: undefined, comment: value })),
);
const socket = fc.option(text, { nil: undefined });
const algorithm = fc.constantFrom(undefined, "RS256", "ES384");

describe("ssh-agent: URIs", () => {
  it("preserve any fingerprint, comment, socket and algorithm in a round trip", () => {
    fc.assert(
      fc.property(key, socket, algorithm, (name, socket, algorithm) => {
        const location = { ...name, socket, algorithm };
        const uri = formatSshAgentUri(location);
        expect(uri).toMatch(/^ssh-agent:[\x21-\x7e]+$/);
        expect(parseSshAgentUri(uri)).toEqual(location);
      }),
    );
  });

  it("may have the fingerprint percent-encoded", () => {
    fc.assert(
      fc.property(fingerprint, (fingerprint) => {
        expect(parseSshAgentUri(`ssh-agent:${encodeURIComponent(fingerprint)}`)).toMatchObject({ fingerprint });
        expect(formatSshAgentUri({ fingerprint })).toBe(`ssh-agent:${fingerprint}`);
      }),
    );
  });

  it("of any other text are refused as misconfigured, on one line", () => {
    const anything = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string().map((end) => `ssh-agent:${end}`),
      fc.string().map((end) => `ssh-agent:${FINGERPRINT}${end}`),
      fc.string().map((end) => `ssh-agent:?comment=a&${end}`),
    );
    fc.assert(
      fc.property(anything, (uri) => {
        try {
          expect(provider.open(uri).uri).toMatch(/^ssh-agent:/);
        } catch (error) {
          expect(error).toMatchObject({ name: "SignerError", code: "misconfigured" });
          expect(String(error)).toMatch(/^[^\p{Cc}]+$/u);
        }
      }),
    );
  });

  it.each([
    ["ssh-agent:", /doesn't name a key\. Expected SHA256: and 43 characters/],
    ["ssh-agent:?socket=/run/agent", /doesn't name a key\./],
    ["ssh-agent:dpop", /Expected SHA256: .* \(character 11 of the URI\)/],
    ["ssh-agent:MD5:c1:b1:30:29:d7:b8:de:6c:97:77:10:d7:46:41:63:87", /Expected SHA256:/],
    [`ssh-agent:${FINGERPRINT}=`, /Expected SHA256:/],
    [`ssh-agent:${FINGERPRINT.replace(/U$/, "V")}`, /Expected SHA256:/], // bits that no hash has
    [`ssh-agent:${FINGERPRINT.replace("+", "-")}`, /Expected SHA256:/],
    [`ssh-agent:${FINGERPRINT}?comment=dpop`, /either a fingerprint or comment/],
    ["ssh-agent:?comment=", /must not be empty/],
    [`ssh-agent:${FINGERPRINT}?socket=`, /must not be empty/],
    ["ssh-agent:?comment=a%00b", /comment contains a NUL/],
    ["ssh-agent:?comment=%ff", /comment is not UTF-8/],
    [`ssh-agent:${FINGERPRINT}?pin=1234`, /Unknown attribute\. Known attributes: comment, socket, algorithm/],
    [`ssh-agent:${FINGERPRINT}?algorithm=HS256`, /algorithm must be one of ES256/],
    [`ssh-agent:${FINGERPRINT}#1`, /percent-encoded/],
    [`ssh-agent:${FINGERPRINT}?socket=a&socket=b`, /socket appears twice/],
  ])("like %s are refused with the reason", (uri, reason) => {
    expect(errorOf(() => provider.open(uri))).toMatchObject({
      code: "misconfigured",
      message: expect.stringMatching(reason),
    });
  });

  it("take precedence over the options", () => {
    const options = { socket: "/run/other", algorithm: "RS512" } as const;
    const uri = `ssh-agent:${FINGERPRINT}?socket=/run/agent&algorithm=RS256`;
    expect(provider.open(uri, options).uri).toBe(uri);
    expect(provider.open(`ssh-agent:${FINGERPRINT}`, options).uri).toBe(
      `ssh-agent:${FINGERPRINT}?socket=/run/other&algorithm=RS512`,
    );
  });
});

describe("a signer's key", () => {
  it("is a fingerprint or a comment", () => {
    expect(new SshAgentSigner(FINGERPRINT).uri).toBe(`ssh-agent:${FINGERPRINT}`);
    expect(new SshAgentSigner({ comment: "me@work" }).uri).toBe("ssh-agent:?comment=me@work");
  });

  it.each(["", "dpop", "SHA256:", {}, { comment: "" }, { comment: 7 }])("isn't %j", (name) => {
    expect(errorOf(() => new SshAgentSigner(name as SshAgentKey))).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("Expected SHA256:"),
    });
  });
});
