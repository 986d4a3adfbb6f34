/** `pkcs11KeyPem`: the PEM that pkcs11-provider reads, made from our URI. */
import { execFileSync } from "node:child_process";
import { fromBER, Sequence, Utf8String, VisibleString } from "asn1js";
import fc from "fast-check";
import { pkcs11KeyPem } from "hardproof/pkcs11";
import { describe, expect, it } from "vitest";

const PEM =
  /^-----BEGIN PKCS#11 PROVIDER URI-----\n((?:[\w+/=]{64}\n)*[\w+/=]{1,64}\n)-----END PKCS#11 PROVIDER URI-----\n$/;

function derOf(pem: string): Buffer {
  const [, content = expect.unreachable(pem)] = PEM.exec(pem) ?? [];
  return Buffer.from(content, "base64");
}

/** Decodes the content as pkcs11-provider's `d2i_P11PROV_PK11_URI` does. */
function uriOf(pem: string): string {
  const { result, offset } = fromBER(new Uint8Array(derOf(pem)));
  expect(offset).toBe(derOf(pem).length);
  const [description, uri, ...more] = result instanceof Sequence ? result.valueBlock.value : [];
  expect(description instanceof VisibleString && description.getValue()).toBe("PKCS#11 Provider URI v1.0");
  expect(more).toEqual([]);
  return uri instanceof Utf8String ? uri.getValue() : expect.unreachable();
}

/** Splits the URI and decodes its values as pkcs11-provider's `p11prov_parse_uri` does: once, and at each `;`, `?` or `&`. */
function attributesOf(uri: string): Record<string, Buffer> {
  const pairs = uri.replace(/^pkcs11:/, "").split(/[;?&]/);
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name = "", value = ""] = /^([^=]+)=(.*)$/.exec(pair) ?? [];
      const bytes = value.replace(/%(..)/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
      return [name, Buffer.from(bytes, "latin1")];
    }),
  );
}

const encode = (value: string | Uint8Array) =>
  Array.from(Buffer.from(value), (byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");

describe("pkcs11KeyPem", () => {
  it("keeps what selects the token and the key, and drops what OpenSSL doesn't know", () => {
    const path = "token=agents;serial=0123;manufacturer=Acme;model=M1;slot-id=7;object=tls;id=%01%fF;type=private";
    const ours = "library-version=3.0;slot-description=x";
    const query = "module-path=/usr/lib/softhsm/libsofthsm2.so&sessions=2&algorithm=PS256&pin-source=/run/secrets/pin";
    expect(uriOf(pkcs11KeyPem(`pkcs11:${path};${ours}?${query}`))).toBe(
      "pkcs11:token=agents;serial=0123;manufacturer=Acme;model=M1;slot-id=7;object=tls;id=%01%FF;type=private?pin-source=file:/run/secrets/pin",
    );
    expect(uriOf(pkcs11KeyPem("pkcs11:serial=1;id=%01"))).toBe("pkcs11:serial=1;id=%01;type=private");
  });

  it("is read by OpenSSL as a sequence of two strings", () => {
    const input = derOf(pkcs11KeyPem("pkcs11:token=agents;object=tls"));
    const text = execFileSync("openssl", ["asn1parse", "-inform", "DER"], { input, encoding: "utf8" });
    const types = [...text.matchAll(/(?:cons|prim): (\w+) +:?(.*)/g)].map(([, type, value]) => [type, value]);
    expect(types).toEqual([
      ["SEQUENCE", ""],
      ["VISIBLESTRING", "PKCS#11 Provider URI v1.0"],
      ["UTF8STRING", "pkcs11:token=agents;object=tls;type=private"],
    ]);
  });

  it("has the encoding of a DER library, for every length of the URI", () => {
    const overhead = "pkcs11:token=a;object=;type=private".length;
    const lengths = fc.oneof(
      fc.constantFrom(0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000),
      fc.integer({ min: 40, max: 70_000 }),
    );
    fc.assert(
      fc.property(lengths, (length) => {
        const uri = `pkcs11:token=a;object=${"o".repeat(length - overhead)};type=private`;
        const value = [new VisibleString({ value: "PKCS#11 Provider URI v1.0" }), new Utf8String({ value: uri })];
        expect(derOf(pkcs11KeyPem(uri)).equals(Buffer.from(new Sequence({ value }).toBER()))).toBe(true);
        expect(uri).toHaveLength(length);
      }),
    );
  });

  it("carries every label, id and path so that the provider decodes the same value", () => {
    const text = (maxLength: number) =>
      fc.string({ unit: "grapheme", minLength: 1, maxLength }).filter((value) => /^[^\0]*[^ \0]$/.test(value));
    const path = text(200).map((name) => `/${name.replace(/^\/+/, "x")}`);
    const id = fc.uint8Array({ minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(text(32), text(300), id, path, (token, object, id, file) => {
        const selection = `token=${encode(token)};object=${encode(object)};id=${encode(id)}`;
        const pem = pkcs11KeyPem(`pkcs11:${selection}?pin-source=${encode(file)}`);
        const { type, ...attributes } = attributesOf(uriOf(pem));
        expect(type?.toString()).toBe("private");
        expect(attributes).toEqual({
          token: Buffer.from(token),
          object: Buffer.from(object),
          id: Buffer.from(id),
          "pin-source": Buffer.from(`file:${file}`),
        });
      }),
    );
  });

  it.each([
    ["object=tls?pin-source=/pin", "Add token or serial"],
    ["slot-id=1;object=tls", "Add token or serial"],
    ["manufacturer=Acme;model=M1;object=tls", "Add token or serial"],
    ["token=agents", "Add object or id"],
    ["token=agents;object=tls?pin-value=s3cret", "pin-value"],
    ["token=agents;object=tls?pin-source=env:HSM_PIN", "environment variable"],
    ["token=agents%00x;object=tls", "contains a NUL"],
    ["token=agents;object=tls%00", "contains a NUL"],
    ["token=agents;object=tls;type=cert", "type must be private"],
    ["token=agents;object=tls;x-vendor=1", "Unknown attribute"],
  ])("rejects pkcs11:%s", (rest, reason) => {
    const error = { code: "misconfigured", message: expect.stringContaining(reason) };
    expect(() => pkcs11KeyPem(`pkcs11:${rest}`)).toThrow(expect.objectContaining(error));
    expect(() => pkcs11KeyPem(`pkcs11:${rest}`)).not.toThrow("s3cret");
  });

  it("rejects a value that isn't a string", () => {
    for (const value of [undefined, null, 5, new URL("pkcs11:token=agents;object=tls")])
      expect(() => pkcs11KeyPem(value as unknown as string)).toThrow("pkcs11: A key's URI must be a string");
  });

  it("says what to do about a PIN that OpenSSL can't read", () => {
    for (const query of ["pin-value=s3cret", "pin-source=env:HSM_PIN"])
      expect(() => pkcs11KeyPem(`pkcs11:token=agents;object=tls?${query}`)).toThrow("use pin-source=/path/of/the/file");
  });
});
