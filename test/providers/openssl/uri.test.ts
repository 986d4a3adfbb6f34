/** `openssl:` URIs: what Hardproof reads, what OpenSSL gets, and what is refused before OpenSSL is called. */
import fc from "fast-check";
import { openSigner, SignerError } from "hardproof";
import { OpensslSigner, type OpensslSignerOptions, provider } from "hardproof/openssl";
import { describe, expect, it } from "vitest";
import { checkOptions } from "../../../providers/openssl/signer.js";
import { formatOpensslUri, parseOpensslUri, withPass } from "../../../providers/openssl/uri.js";

const parseError = (uri: string) => {
  try {
    parseOpensslUri(uri);
  } catch (error) {
    if (error instanceof SignerError) return error;
  }
  return expect.unreachable(`${uri} was not rejected`);
};

describe("what OpenSSL gets", () => {
  it.each([
    ["pkcs11:token=agents;object=dpop", "pkcs11:token=agents;object=dpop;type=private"],
    ["pkcs11:serial=01;id=%01%ff;type=private", "pkcs11:serial=01;id=%01%ff;type=private"],
    ["PKCS11:token=a;object=b?pin-source=env:PIN", "pkcs11:token=a;object=b;type=private"],
    ["pkcs11:token=a;object=b?algorithm=PS256&pin-source=/run/pin", "pkcs11:token=a;object=b;type=private"],
    ["handle:0x81000001?pin-source=env:PIN", "handle:0x81000001"],
    ["handle:0x81000001?pass&pin-source=env:PIN", "handle:0x81000001?pass"],
    ["aws-kms:alias/agents?region=eu-central-1&flag&algorithm=PS256", "aws-kms:alias/agents?region=eu-central-1&flag"],
    ["aws-kms:key?properties=provider=aws-kms", "aws-kms:key"],
    ["org.openssl.winstore:MY", "org.openssl.winstore:MY"],
    ["file:///etc/agent/key.pem?allow-file=true", "file:///etc/agent/key.pem"],
  ])("for openssl:%s is %s", (uri, storeUri) => {
    expect(parseOpensslUri(`openssl:${uri}`).storeUri).toBe(storeUri);
  });

  it("contains ?pass for a key in a TPM that has a PIN, once", () => {
    const handle = parseOpensslUri("openssl:handle:0x81000001");
    expect(withPass(handle)).toBe("handle:0x81000001?pass");
    expect(withPass(parseOpensslUri("openssl:handle:0x81000001?pass"))).toBe("handle:0x81000001?pass");
    expect(withPass(parseOpensslUri("openssl:aws-kms:key"))).toBe("aws-kms:key");
  });

  it("is a URL to Node, which doesn't change what it selects", () => {
    for (const uri of [
      "pkcs11:token=A%20b;object=x%2Fy;id=%01",
      "handle:0x81000001",
      "aws-kms:arn:aws:kms:eu:1:key/a",
    ]) {
      const { storeUri } = parseOpensslUri(`openssl:${uri}`);
      expect(new URL(storeUri).href).toBe(storeUri);
    }
  });
});

describe("what Hardproof reads", () => {
  it("is the PIN's source, the algorithm and the properties", () => {
    const query = "pin-source=env:HSM_PIN&algorithm=PS256&properties=provider%3Dpkcs11prov";
    expect(parseOpensslUri(`openssl:pkcs11:token=a;object=b?${query}`)).toMatchObject({
      pin: { env: "HSM_PIN" },
      algorithm: "PS256",
      properties: "provider=pkcs11prov",
      allowFile: false,
    });
  });

  it("takes precedence over the options, except for the PIN", () => {
    const query = "pin-source=env:PIN&algorithm=PS256&properties=provider=other";
    const options: OpensslSignerOptions = {
      key: `pkcs11:token=a;object=b?${query}`,
      pin: "1234",
      algorithm: "RS256",
      properties: "provider=mine",
    };
    expect(checkOptions(options)).toMatchObject({ pin: "1234", algorithm: "PS256", properties: "provider=other" });
  });

  it("selects the loader by default, so that a file can't take its place", () => {
    expect(checkOptions({ key: "pkcs11:token=a;object=b" })).toMatchObject({ properties: "provider=pkcs11" });
    expect(checkOptions({ key: "handle:0x81000001" })).toMatchObject({
      properties: "provider=tpm2",
      concurrent: false,
    });
    expect(checkOptions({ key: "aws-kms:key" })).toMatchObject({ properties: undefined, concurrent: true });
  });
});

describe("a URI is refused", () => {
  it.each([
    ["pkcs11:object=dpop", "Add token or serial"],
    ["pkcs11:token=;object=dpop", "Add token or serial"],
    ["pkcs11:token=agents", "Add object or id"],
    ["pkcs11:", "Add token or serial"],
    ["pkcs11:token=a;object=b;type=public", "type must be private"],
    ["pkcs11:token=a;object=b;type=cert", "type must be private"],
    ["pkcs11:token=a%00b;object=c", "NUL"],
    ["pkcs11:token=a;object=b%00", "NUL"],
    ["pkcs11:token=a;token=b;object=c", "appears twice"],
    ["pkcs11:%74oken=a;object=b", "Unknown attribute"],
    ["pkcs11:token=a;object=b;x-vendor=1", "Unknown attribute"],
    ["pkcs11:token=a;object=b;pin-source=/run/pin", "Unknown attribute"],
    ["pkcs11:token=a;object=b;pin-value=1234", "pin-value"],
    ["pkcs11:token=a;object=b?pin-value=1234", "pin-value"],
    ["pkcs11:token=a;object=b?PIN-VALUE=1234", "pin-value"],
    ["pkcs11:token=a;object=b?pin%2Dvalue=1234", "pin-value"],
    ["other:key?x=y&pin-value=1234", "pin-value"],
    ["other:pin-value=1234", "pin-value"],
    ["other://user:1234@host/key", "user name or a password"],
    ["pkcs11:token=a;object=b?module-path=/usr/lib/x.so", "OpenSSL's configuration names the module"],
    ["pkcs11:token=a;object=b?pin-source=relative", "pin-source must be env:NAME"],
    ["pkcs11:token=a;object=b?pin-source=|cat", "percent-encoded"],
    ["pkcs11:token=a;object=b?pin-source=env:A&pin-source=env:B", "appears twice"],
    ["pkcs11:token=a;object=b?algorithm=none", "algorithm must be one of"],
    ["handle:81000001", "handle of a key in a TPM"],
    ["handle:0x810000011", "handle of a key in a TPM"],
    ["handle:0x81000001?passx", "Unknown attribute"],
    ["handle:0x81000001?pass&x=1", "Unknown attribute"],
    ["file:///etc/key.pem?x=1", "Unknown attribute"],
    ["file:key.pem", "absolute path"],
    ["file://host/key.pem", "absolute path"],
    ["file:///etc/key.pem?allow-file=1", "true or false"],
    ["http://example.com/key", "must not be loaded from a http: URL"],
    ["HTTPS://example.com/key", "must not be loaded from a https: URL"],
    ["data:,key", "must not be loaded from a data: URL"],
    ["/etc/agent/key.pem", "Expected the URI of an OpenSSL STORE loader"],
    ["", "Expected the URI of an OpenSSL STORE loader"],
    ["other:key#fragment", "percent-encoded"],
  ])("openssl:%s", (uri, problem) => {
    const { code, message } = parseError(`openssl:${uri}`);
    expect(code).toBe("misconfigured");
    expect(message).toContain(problem);
    expect(message).not.toContain("1234");
  });

  it("with a file, unless it is allowed", () => {
    const key = "file:///etc/agent/key.pem";
    expect(() => new OpensslSigner({ key })).toThrow("allow-file=true");
    expect(() => new OpensslSigner({ key, allowFile: "yes" as unknown as boolean })).toThrow("allow-file=true");
    expect(new OpensslSigner({ key, allowFile: true }).uri).toBe(`openssl:${key}`);
    expect(new OpensslSigner({ key: `${key}?allow-file=true` }).uri).toBe(`openssl:${key}?allow-file=true`);
  });

  it("of another scheme, or that isn't text", async () => {
    expect(() => provider.open("pkcs11:token=a;object=b")).toThrow("must start with openssl:");
    expect(() => new OpensslSigner({ key: 1 as unknown as string })).toThrow("key must be a URI");
    expect(() => new OpensslSigner(undefined as unknown as OpensslSignerOptions)).toThrow("OpensslSigner");
    await expect(openSigner("openssl:")).rejects.toMatchObject({ code: "misconfigured" });
  });
});

describe("any URI", () => {
  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((value) => !value.includes("\0"));
  const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const encoded = (name: string) =>
    text.map((value) => `${name}=${encodeURIComponent(value).replace(/[!'()*~]/g, "")}`);
  const pkcs11 = fc.tuple(encoded("token"), encoded("object")).map((parts) => `pkcs11:${parts.join(";")}`);
  const other = fc.webPath().map((path) => `aws-kms:${path.replace(/[|^`\\{}<>"]/g, "")}`);
  const storeUri = fc.oneof(pkcs11, other, fc.constant("handle:0x81000001"));
  const own = fc.record({
    algorithm: optional(fc.constantFrom("PS256", "ES384")),
    properties: optional(fc.constantFrom("provider=x", "?provider=y,fips=yes")),
  });

  it("is parsed to the same key after it was formatted", () => {
    fc.assert(
      fc.property(storeUri, own, (uri, attributes) => {
        fc.pre(!/=($|;)/.test(uri) && !uri.includes("@"));
        const query = Object.entries(attributes).flatMap(([name, value]) =>
          value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
        );
        const parsed = parseOpensslUri(`openssl:${uri}${query.length > 0 ? `?${query.join("&")}` : ""}`);
        expect(parseOpensslUri(formatOpensslUri(parsed))).toEqual(parsed);
      }),
    );
  });

  it("is either parsed or rejected as misconfigured, and no error repeats its PIN", () => {
    const pin = "s3cr3t-PIN";
    const parts = fc.array(
      fc.oneof(fc.constantFrom("pkcs11:", "handle:", "token=a", ";", "?", "&", "pin-value="), text),
    );
    fc.assert(
      fc.property(parts, fc.nat(8), (list, at) => {
        const uri = `openssl:${[...list.slice(0, at), pin, ...list.slice(at)].join("")}`;
        try {
          parseOpensslUri(uri);
        } catch (error) {
          expect(error).toMatchObject({ name: "SignerError", code: "misconfigured" });
          expect((error as Error).message).not.toContain(pin);
        }
      }),
    );
  });

  it("never contains a PIN's source when it is formatted", () => {
    const uri = "openssl:pkcs11:token=a;object=b?pin-source=env:HSM_PIN&algorithm=PS256";
    expect(formatOpensslUri(parseOpensslUri(uri))).toBe("openssl:pkcs11:token=a;object=b;type=private?algorithm=PS256");
  });
});
