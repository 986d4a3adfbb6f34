/** Resource names, URIs and endpoints of Cloud KMS keys, which are validated without I/O. */
import fc from "fast-check";
import { SignerError } from "hardproof";
import { GcpKmsSigner, provider } from "hardproof/gcp-kms";
import { describe, expect, it } from "vitest";
import { parseEndpoint } from "../../../providers/gcp-kms/endpoint.js";
import { formatGcpKmsUri, parseGcpKmsUri } from "../../../providers/gcp-kms/uri.js";

const NAME = "projects/p/locations/europe-west3/keyRings/agents/cryptoKeys/dpop/cryptoKeyVersions/1";
const errorOf = (work: () => unknown): SignerError => {
  try {
    work();
  } catch (error) {
    if (error instanceof SignerError) return error;
    throw error;
  }
  return expect.unreachable();
};

const id = fc.stringMatching(/^[\w-]{1,63}$/);
const project = fc.stringMatching(/^([a-z]{1,9}\.[a-z]{2,3}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$/);
const location = fc.constantFrom("global", "europe-west3", "us", "nam-eur-asia1");
const version = fc.integer({ min: 1, max: 1_000_000 });
const algorithm = fc.constantFrom("ES384", "ML-DSA-44", undefined);
const endpoint = fc.constantFrom(
  undefined,
  "cloudkms.europe-west3.rep.googleapis.com",
  "https://my-psc.p.googleapis.com:8443",
  "http://127.0.0.1:9090",
  "http://[::1]:9090",
  "http://localhost:9090",
);
const universeDomain = fc.constantFrom(undefined, "apis-tpczero.goog", "googleapis.com");
const keyRing = fc.tuple(project, location, id).map(([p, l, r]) => `projects/${p}/locations/${l}/keyRings/${r}`);
const name = fc.oneof(
  keyRing,
  fc.tuple(keyRing, id).map(([ring, k]) => `${ring}/cryptoKeys/${k}`),
  fc.tuple(keyRing, id, version).map(([ring, k, v]) => `${ring}/cryptoKeys/${k}/cryptoKeyVersions/${v}`),
);

describe("gcpkms: URIs", () => {
  it("parses a formatted gcpkms: URI back to the same name and attributes", () => {
    fc.assert(
      fc.property(name, algorithm, endpoint, universeDomain, (name, algorithm, endpoint, universe) => {
        const universeDomain = endpoint?.includes(".googleapis.com") ? undefined : universe;
        const attributes = {
          ...(algorithm && { algorithm }),
          ...(endpoint && { endpoint }),
          ...(universeDomain && { universeDomain }),
        };
        const parsed = parseGcpKmsUri(formatGcpKmsUri(name, attributes));
        expect(parsed).toEqual({ name, kind: parsed.kind, ...attributes });
        expect(formatGcpKmsUri(parsed.name, parsed)).toBe(formatGcpKmsUri(name, attributes));
      }),
    );
  });

  it("rejects arbitrary text in place of a URI as misconfigured", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string().map((end) => `gcpkms:${end}`),
      fc.string().map((end) => `gcpkms://${NAME}${end}`),
      fc.tuple(fc.nat(NAME.length), fc.string()).map(([length, end]) => `gcpkms://${NAME.slice(0, length)}${end}`),
    );
    fc.assert(
      fc.property(text, (uri) => {
        try {
          expect(formatGcpKmsUri(parseGcpKmsUri(uri).name)).toMatch(/^gcpkms:\/\/projects\//);
        } catch (error) {
          expect(error).toMatchObject({ name: "SignerError", code: "misconfigured" });
        }
      }),
    );
  });

  it("opens a signer that has the same URI", () => {
    const uri = `gcpkms://${NAME}?endpoint=https://cloudkms.europe-west3.rep.googleapis.com`;
    expect(provider.open(uri).uri).toBe(uri);
    expect(new GcpKmsSigner(NAME).uri).toBe(`gcpkms://${NAME}`);
  });

  it.each([
    ["kms:x", /must start with gcpkms:/],
    [`gcpkms:${NAME}`, /Expected \/\/projects\/… after gcpkms:/],
    [`gcpkms:///${NAME}`, /expected projects instead of ""/],
    [`gcpkms://${NAME}?pin=1234`, /Unknown attribute\. Known attributes: algorithm, endpoint, universe-domain/],
    [`gcpkms://${NAME}?universe-domain=x`, /must be a domain in lower case/],
    [`gcpkms://${NAME}?universe-domain=evil.example/path`, /must be a domain in lower case/],
    [`gcpkms://${NAME}?universe-domain=user@evil.example`, /must be a domain in lower case/],
    [`gcpkms://${NAME}?universe-domain=`, /universe-domain/],
    [`gcpkms://${NAME}?algorithm=HS256`, /algorithm must be one of ES256/],
    [`gcpkms://${NAME}#1`, /percent-encoded/],
    [`gcpkms://${NAME}/..`, /".." can't follow the version/],
  ])("rejects the URI %s with the reason", (uri, reason) => {
    expect(errorOf(() => parseGcpKmsUri(uri))).toMatchObject({ code: "misconfigured" });
    expect(errorOf(() => parseGcpKmsUri(uri)).message).toMatch(reason);
  });
});

describe("resource names", () => {
  it.each([
    ["", /expected projects instead of ""/],
    ["dpop", /expected projects instead of "dpop"/],
    ["projects/p", /it ends after "p"/],
    ["projects/p/locations/l/keyrings/r/cryptoKeys/k", /expected keyRings instead of "keyrings"/],
    ["projects/p/locations/l/keyRings/r", /it names a key ring instead of a key or key version/],
    ["projects/p/locations/l/keyRings/r/cryptoKeys/", /"" can't follow cryptoKeys\//],
    ["projects/p/locations/l/keyRings/r/cryptoKeys/a b", /"a b" can't follow cryptoKeys\//],
    [NAME.replace(/1$/, "latest"), /"latest" can't follow cryptoKeyVersions\//],
    [NAME.replace(/1$/, "0"), /"0" can't follow cryptoKeyVersions\//],
    [`/${NAME}`, /expected projects instead of ""/],
    [`${NAME}/`, /"" can't follow the version/],
    [`${NAME}\n`, /can't follow/],
    [
      "arn:aws:kms:eu-central-1:111122223333:key/x",
      /expected projects instead of "arn:aws:kms:eu-central-1:111122223333:key"/,
    ],
  ])("rejects the name %j in the constructor, with the reason and the expected form", (name, reason) => {
    const error = errorOf(() => new GcpKmsSigner(name));
    expect(error.code).toBe("misconfigured");
    expect(error.message).toMatch(reason);
    expect(error.message).toContain("A full name is projects/P/locations/L/keyRings/R/cryptoKeys/K");
  });
});

it.each([{}, { cryptoKeyId: "" }])(
  "rejects create() with a key ring and %j, and explains how to name the key",
  async (options) => {
    const ring = "projects/p/locations/l/keyRings/r";
    await expect(provider.create(`gcpkms://${ring}`, options)).rejects.toMatchObject({
      code: "misconfigured",
      message: `gcpkms: The URI names a key ring. Set cryptoKeyId, or use ${ring}/cryptoKeys/NAME.`,
    });
  },
);

describe("endpoints", () => {
  it("uses TLS and port 443 for an endpoint without a scheme", () => {
    const servicePath = "cloudkms.us-east1.rep.googleapis.com";
    expect(parseEndpoint(servicePath)).toEqual({ servicePath, port: 443, plaintext: false });
    expect(parseEndpoint(`${servicePath}:444`)).toEqual({ servicePath, port: 444, plaintext: false });
  });

  it.each([
    "https://evil.example",
    "https://evilgoogleapis.com",
    "https://cloudkms.googleapis.com.evil.example",
    "http://cloudkms.googleapis.com",
    "http://10.0.0.1:9090",
    "https://127.0.0.1",
    "ftp://cloudkms.googleapis.com",
    "https://cloudkms.googleapis.com/path",
    "https://cloudkms.googleapis.com?query",
    "https://user:password@cloudkms.googleapis.com",
    "",
    "a b",
  ])("rejects the endpoint %j, to which the access token must not be sent", (endpoint) => {
    const error = errorOf(() => new GcpKmsSigner(NAME, { endpoint }));
    expect(error.code).toBe("misconfigured");
    expect(error.message).not.toContain("password");
  });

  it("rejects an endpoint together with a client, which has its own", () => {
    const options = { endpoint: "http://127.0.0.1:1", client: Object.create(null) };
    expect(errorOf(() => new GcpKmsSigner(NAME, options)).message).toMatch(
      /Use either client, or clientConfig and endpoint, not both/,
    );
  });

  it("accepts a host under the universe domain, and no other", () => {
    const universeDomain = "apis-tpczero.goog";
    const uri = `gcpkms://${NAME}?endpoint=cloudkms.eu.rep.${universeDomain}&universe-domain=${universeDomain}`;
    expect(provider.open(uri).uri).toBe(uri);
    for (const endpoint of ["cloudkms.googleapis.com", `evil${universeDomain}`, `${universeDomain}.evil.example`])
      expect(errorOf(() => new GcpKmsSigner(NAME, { endpoint, universeDomain })).message).toMatch(
        /is not allowed.*Use https:\/\/ under apis-tpczero\.goog/,
      );
  });

  it.each([1, {}, "", "UPPER.example", "a..b", "-", "localhost", `${"a".repeat(64)}.goog`, "xn--\u00e9.goog"])(
    "rejects %j as a universe domain",
    (universeDomain) => {
      const options = { universeDomain } as { universeDomain: string };
      expect(errorOf(() => new GcpKmsSigner(NAME, options))).toMatchObject({ code: "misconfigured" });
    },
  );

  it("rejects a universe domain together with a client, which has its own", () => {
    const options = { universeDomain: "apis-tpczero.goog", client: Object.create(null) };
    expect(errorOf(() => new GcpKmsSigner(NAME, options)).message).toContain("Set the universe domain of client");
  });
});
