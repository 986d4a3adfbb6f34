/** URIs of keys in a TPM: the attributes of RFC 7512, and the store and TCTI of tpm2-pkcs11. */
import fc from "fast-check";
import { provider, TpmSigner } from "hardproof/tpm";
import { describe, expect, it } from "vitest";
import { formatTpmUri, parseTpmUri } from "../../../providers/tpm/uri.js";

describe("tpm: URIs", () => {
  it("parses token, key, store, TCTI and PIN source", () => {
    const uri =
      "tpm:token=my%20agents;object=dpop;id=%01%02?store=/var/lib/tpm&tcti=device:/dev/tpmrm0&pin-source=/run/pin";
    expect(parseTpmUri(uri)).toMatchObject({
      token: { label: "my agents" },
      key: { label: "dpop", id: Buffer.from([1, 2]) },
      store: "/var/lib/tpm",
      tcti: "device:/dev/tpmrm0",
      pin: { file: "/run/pin" },
    });
  });

  it.each([
    ["pin-source=file:///run/a%2520pin", { file: "/run/a pin" }],
    ["pin-source=env:TPM_PIN", { env: "TPM_PIN" }],
    ["pin-value=1234", "1234"],
  ])("parses %s", (query, pin) => {
    expect(parseTpmUri(`tpm:token=a;object=b?${query}`).pin).toEqual(pin);
  });

  it("parses a formatted tpm: URI back to the same token, key, store, TCTI and module", () => {
    // Padding isn't part of a token's text.
    const text = fc.string({ minLength: 1, unit: "grapheme" }).filter((value) => !/[ \0]$/.test(value));
    const id = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes));
    const tcti = fc.tuple(fc.constantFrom("device", "tabrmd", "swtpm"), text).map((parts) => parts.join(":"));
    const option = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
    const uris = fc.record({
      token: fc.record({ label: text, serial: option(text), slot: option(fc.nat()) }),
      key: fc.record({ label: text, id: option(id) }),
      access: fc.record({ store: option(text), tcti: option(tcti), module: option(text) }),
    });
    fc.assert(
      fc.property(uris, ({ token, key, access }) => {
        expect(parseTpmUri(formatTpmUri(access, token, key))).toMatchObject({ token, key, ...access, pin: undefined });
      }),
    );
  });

  it("parses arbitrary text in place of a URI, or rejects it as misconfigured", () => {
    const parse = (uri: string) => {
      try {
        return typeof parseTpmUri(uri);
      } catch (error) {
        return (error as { code?: string }).code;
      }
    };
    const anything = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."tokenid=;?&%0Atcti:/") }));
    fc.assert(
      fc.property(anything, (text) => {
        expect(["object", "misconfigured"]).toContain(parse(`tpm:${text}`));
      }),
    );
  });

  it.each([
    ["pkcs11:token=a;object=b", /must start with tpm:/],
    ["tpm:token=;object=b", /token is empty/],
    ["tpm:token=a;object=b;type=public", /type must be private/],
    ["tpm:token=a;object=b?tcti=cmd:rm", /tcti must be/],
    ["tpm:token=a;object=b?tcti=libevil.so", /tcti must be/],
    ["tpm:token=a;object=b?pin-source=%7Ccat%20pin", /pin-source must be/],
    ["tpm:token=a;object=b?pin-source=file://elsewhere/pin", /pin-source must be/],
    ["tpm:token=a;object=b?pin-source=/pin&pin-value=1234", /exclude each other/],
    ["tpm:token=a;object=b;slot-id=one", /slot-id must be/],
    ["tpm:token=a", /key must/],
  ])("rejects the URI %s", (uri, message) => {
    expect(() => provider.open(uri)).toThrow(expect.objectContaining({ code: "misconfigured" }));
    expect(() => provider.open(uri)).toThrow(message);
  });

  it("doesn't show a PIN in the signer's URI or in errors", () => {
    const signer = provider.open("tpm:token=a;object=b?pin-value=secret-pin");
    expect(signer).toBeInstanceOf(TpmSigner);
    expect(signer.uri).toBe("tpm:token=a;object=b");
    expect(() => provider.open("tpm:token=a;object=b?pin-value=secret-pin&tcti=x")).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining("secret-pin") }),
    );
  });
});
