/** `pkcs11:` URIs (RFC 7512): parsing and formatting, and errors that never contain a PIN. */
import fc from "fast-check";
import { SignerError } from "hardproof";
import { Pkcs11Signer, provider } from "hardproof/pkcs11";
import { describe, expect, it, vi } from "vitest";
import { formatPkcs11Uri, parsePkcs11Uri } from "../../../providers/pkcs11/uri.js";

const MODULE = "module-path=/usr/lib/softhsm/libsofthsm2.so";
const parseError = (uri: string) => {
  try {
    parsePkcs11Uri(uri);
  } catch (error) {
    if (error instanceof SignerError) return error;
  }
  return expect.unreachable(`${uri} was not rejected`);
};

describe("RFC 7512 §2.3, the attributes", () => {
  it("parses a token and a key", () => {
    const path =
      "token=The%20Software%20Token;serial=0123;manufacturer=Acme;model=M%3B1;slot-id=7;object=my-key;id=%01%fF";
    expect(parsePkcs11Uri(`pkcs11:${path};type=private?${MODULE}`)).toEqual({
      module: "/usr/lib/softhsm/libsofthsm2.so",
      token: { label: "The Software Token", serial: "0123", manufacturer: "Acme", model: "M;1", slot: 7 },
      key: { label: "my-key", id: Buffer.from([1, 255]) },
      pin: undefined,
      showsPin: false,
    });
  });

  it("parses a module name, and a URI without a PIN or a module", () => {
    expect(parsePkcs11Uri("pkcs11:?module-name=softhsm2")).toMatchObject({ module: "softhsm2", pin: undefined });
    expect(parsePkcs11Uri("pkcs11:")).toMatchObject({ module: undefined });
  });

  it.each([
    ["pin-source=/run/secrets/pin", { file: "/run/secrets/pin" }],
    ["pin-source=file:/run/secrets/pin", { file: "/run/secrets/pin" }],
    ["pin-source=file:///run/secrets/a%2520pin", { file: "/run/secrets/a pin" }],
    ["pin-source=env:HSM_PIN", { env: "HSM_PIN" }],
    ["pin-value=12%3334", "12334"],
  ])("takes the PIN from %s", (query, pin) => {
    expect(parsePkcs11Uri(`pkcs11:token=a?${query}`)).toMatchObject({ pin, showsPin: query.startsWith("pin-value") });
  });

  it.each([
    ["token=a;token=b", "token appears twice"],
    ["token=", "token is empty"],
    ["id=", "id is empty"],
    ["id=%0", "two hex digits"],
    ["token=%ff", "not UTF-8"],
    ["token=a;pin-value=1234", "Unknown attribute"],
    ["token=a;x-vendor=1", "Unknown attribute"],
    ["slot-id=-1", "decimal"],
    ["slot-id=0x10", "decimal"],
    ["slot-id=99999999999999999999", "decimal"],
    ["type=public", "type must be private"],
    ["type=cert", "type must be private"],
    ["token=a b", "percent-encoded"],
    ["token=a#b", "percent-encoded"],
    ["token=a?module-path=/a.so&module-name=a", "exclude each other"],
    ["token=a?module-name=../a", "must be a name"],
    ["token=a?module-path=a.so", "must be an absolute path"],
    ["token=a?module-path=/a.so&module-path=/b.so", "appears twice"],
    ["token=a?pin-source=%7Ccat%20/etc/passwd", "pin-source must be"],
    ["token=a?pin-source=|cat", "percent-encoded"],
    ["token=a?pin-source=https://a.example/pin", "pin-source must be"],
    ["token=a?pin-source=env:", "pin-source must be"],
    ["token=a?pin-source=file://elsewhere/pin", "pin-source must be"],
    ["token=a?pin-source=/pin&pin-value=1234", "exclude each other"],
    ["token=a?pin-value=", "pin-value is empty"],
  ])("rejects %s", (rest, reason) => {
    expect(parseError(`pkcs11:${rest}`)).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining(reason),
    });
  });

  it.each([
    ["the scheme in upper case", "PKCS11:token=a", { label: "a" }],
    ["an empty serial number", "pkcs11:token=a;serial=", { label: "a" }],
    [
      "padding",
      "pkcs11:token=a%20%20;model=M%00%00;manufacturer=Acme%20%20%20",
      { label: "a", model: "M", manufacturer: "Acme" },
    ],
    ["a serial number that begins with NULs", "pkcs11:token=a;serial=%00%00%31", { label: "a", serial: "\0\x001" }],
    [
      "attributes of the library and the slot",
      "pkcs11:library-manufacturer=Acme%20;library-description=x%00;library-version=2.1;slot-description=s;slot-manufacturer=m;token=a",
      { label: "a" },
    ],
  ])("accepts %s, as p11tool and pkcs11-tool print it", (_, uri, token) => {
    expect(parsePkcs11Uri(uri).token).toEqual({
      serial: undefined,
      manufacturer: undefined,
      model: undefined,
      slot: undefined,
      ...token,
    });
  });

  it("parses the number of sessions", () => {
    expect(parsePkcs11Uri(`pkcs11:token=a?${MODULE}&sessions=2`)).toMatchObject({ sessions: 2 });
    expect(parseError(`pkcs11:token=a?${MODULE}&sessions=many`).message).toContain("sessions must be");
  });

  it.each(["./evil.so", "evil/x.so", "../x.so"])(
    "rejects the relative path %s, which would be loaded as code",
    (path) => {
      expect(parseError(`pkcs11:token=a?module-path=${path}`)).toMatchObject({ code: "misconfigured" });
    },
  );

  it("rejects another scheme", () => {
    for (const uri of ["pkcs12:token=a", "token=a", ""])
      expect(parseError(uri)).toMatchObject({ code: "misconfigured" });
  });

  it("never repeats a PIN in an error", () => {
    for (const more of ["&pin-value=4711", "&pin-source=x", "&other=1", "%", "&slot=1"])
      expect(parseError(`pkcs11:token=a?pin-value=s3cret-pin${more}`).message).not.toContain("s3cret-pin");
  });
});

describe("round trips", () => {
  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });
  // The parser removes padding from a token's text.
  const unpadded = text.filter((value) => !/[ \0]$/.test(value));
  const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const token = fc.record({
    label: unpadded,
    serial: optional(unpadded),
    manufacturer: optional(unpadded),
    model: optional(unpadded),
    slot: optional(fc.nat()),
  });
  const key = fc.record({
    label: optional(text),
    id: optional(fc.uint8Array({ minLength: 1, maxLength: 30 }).map((bytes) => Buffer.from(bytes))),
  });
  const module = fc.oneof(
    text.map((name) => `/lib/${name}`),
    text.filter((name) => !/[/\\]/.test(name)),
  );

  it("parses what it formatted", () => {
    fc.assert(
      fc.property(module, token, key, (module, token, key) => {
        const parsed = parsePkcs11Uri(formatPkcs11Uri(module, token, key));
        expect(parsed).toEqual({ module, token, key, pin: undefined, showsPin: false });
      }),
    );
  });

  it("formats what it parsed without a change", () => {
    fc.assert(
      fc.property(module, token, key, (module, token, key) => {
        const uri = formatPkcs11Uri(module, token, key);
        const parsed = parsePkcs11Uri(uri);
        expect(formatPkcs11Uri(parsed.module ?? "", parsed.token, parsed.key)).toBe(uri);
      }),
    );
  });

  it("parses any text, or rejects it with misconfigured", () => {
    const pieces = [
      "token=",
      "id=",
      "object=",
      "slot-id=",
      "type=private",
      ";",
      "?",
      "&",
      "%",
      "%41",
      "pin-source=",
      "=",
      "é",
    ];
    const noise = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 5 })), { maxLength: 12 });
    fc.assert(
      fc.property(noise, (parts) => {
        try {
          parsePkcs11Uri(`pkcs11:${parts.join("")}`);
        } catch (error) {
          expect(error).toMatchObject({ name: "SignerError", code: "misconfigured" });
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("the provider", () => {
  it("opens a URI without I/O, and omits the PIN source from the signer's URI", () => {
    const signer = provider.open("pkcs11:token=a;object=b?module-path=/no/such.so&pin-source=env:NOPE");
    expect(signer).toBeInstanceOf(Pkcs11Signer);
    expect(signer.uri).toBe("pkcs11:token=a;object=b?module-path=/no/such.so");
  });

  it("accepts the module as an option instead of in the URI", () => {
    expect(provider.open("pkcs11:token=a;object=b", { module: "softhsm2" }).uri).toBe(
      "pkcs11:token=a;object=b?module-name=softhsm2",
    );
    expect(() => provider.open("pkcs11:token=a;object=b")).toThrow(/module-path or module-name/);
  });

  it("rejects a URI that doesn't select a token or a key", () => {
    for (const uri of [`pkcs11:object=b?${MODULE}`, `pkcs11:token=a?${MODULE}`])
      expect(() => provider.open(uri)).toThrow(SignerError);
  });

  it("warns about a PIN in the URI without repeating it", () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    provider.open(`pkcs11:token=a;object=b?${MODULE}&pin-value=s3cret-pin`);
    expect(warn).toHaveBeenCalledOnce();
    expect(JSON.stringify(warn.mock.calls)).not.toContain("s3cret-pin");
    warn.mockRestore();
  });
});
