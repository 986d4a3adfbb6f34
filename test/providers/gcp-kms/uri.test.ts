/** Names, URIs and endpoints of Cloud KMS keys: what is taken, and what is refused before anything is sent. */
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
const endpoint = fc.constantFrom(
  undefined,
  "cloudkms.europe-west3.rep.googleapis.com",
  "https://my-psc.p.googleapis.com:8443",
  "http://127.0.0.1:9090",
  "http://[::1]:9090",
  "http://localhost:9090",
);
const keyRing = fc.tuple(project, location, id).map(([p, l, r]) => `projects/${p}/locations/${l}/keyRings/${r}`);
const name = fc.oneof(
  keyRing,
  fc.tuple(keyRing, id).map(([ring, k]) => `${ring}/cryptoKeys/${k}`),
  fc.tuple(keyRing, id, version).map(([ring, k, v]) => `${ring}/cryptoKeys/${k}/cryptoKeyVersions/${v}`),
);

describe("a gcpkms: URI", () => {
  it("is read back as it was written", () => {
    fc.assert(
      fc.property(name, endpoint, (name, endpoint) => {
        const parsed = parseGcpKmsUri(formatGcpKmsUri(name, endpoint));
        expect(parsed).toMatchObject(endpoint === undefined ? { name } : { name, endpoint });
        expect(formatGcpKmsUri(parsed.name, parsed.endpoint)).toBe(formatGcpKmsUri(name, endpoint));
      }),
    );
  });

  it("of any other shape is refused with an error of ours", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string().map((end) => `gcpkms:${end}`),
      fc.string().map((end) => `gcpkms://${NAME}${end}`),
      fc.tuple(fc.nat(NAME.length), fc.string()).map(([at, more]) => `gcpkms://${NAME.slice(0, at)}${more}`),
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

  it("is what a signer gives for itself, and opens again", () => {
    const uri = `gcpkms://${NAME}?endpoint=https://cloudkms.europe-west3.rep.googleapis.com`;
    expect(provider.open(uri).uri).toBe(uri);
    expect(new GcpKmsSigner(NAME).uri).toBe(`gcpkms://${NAME}`);
  });

  it.each([
    ["kms:x", /must start with gcpkms:/],
    [`gcpkms:${NAME}`, /must stand \/\/projects/],
    [`gcpkms:///${NAME}`, /"" stands where projects must/],
    [`gcpkms://${NAME}?pin=1234`, /Unknown attribute\. Known attributes: endpoint/],
    [`gcpkms://${NAME}#1`, /percent-encoded/],
    [`gcpkms://${NAME}/..`, /stands after the version/],
  ])("%s is refused, saying why", (uri, why) => {
    expect(errorOf(() => parseGcpKmsUri(uri))).toMatchObject({ code: "misconfigured" });
    expect(errorOf(() => parseGcpKmsUri(uri)).message).toMatch(why);
  });
});

describe("a name", () => {
  it.each([
    ["", /"" stands where projects must/],
    ["dpop", /"dpop" stands where projects must/],
    ["projects/p", /it ends after p/],
    ["projects/p/locations/l/keyrings/r/cryptoKeys/k", /"keyrings" stands where keyRings must/],
    ["projects/p/locations/l/keyRings/r", /is the name of a key ring; needed is that of a key or key version/],
    ["projects/p/locations/l/keyRings/r/cryptoKeys/", /"" can't follow cryptoKeys\//],
    ["projects/p/locations/l/keyRings/r/cryptoKeys/a b", /"a b" can't follow cryptoKeys\//],
    [NAME.replace(/1$/, "latest"), /"latest" can't follow cryptoKeyVersions\//],
    [NAME.replace(/1$/, "0"), /"0" can't follow cryptoKeyVersions\//],
    [`/${NAME}`, /"" stands where projects must/],
    [`${NAME}/`, /"" stands after the version/],
    [`${NAME}\n`, /can't follow/],
    ["arn:aws:kms:eu-central-1:111122223333:key/x", /stands where projects must/],
  ])("%j is refused by the constructor, saying what was found and what is needed", (name, why) => {
    const error = errorOf(() => new GcpKmsSigner(name));
    expect(error.code).toBe("misconfigured");
    expect(error.message).toMatch(why);
    expect(error.message).toContain("A full name is projects/P/locations/L/keyRings/R/cryptoKeys/K");
  });
});

it.each([{}, { cryptoKeyId: "" }])("a key ring and %j name no new key: the error says how to", async (options) => {
  const ring = "projects/p/locations/l/keyRings/r";
  await expect(provider.create(`gcpkms://${ring}`, options)).rejects.toMatchObject({
    code: "misconfigured",
    message: `gcpkms: A key ring needs cryptoKeyId, or name ${ring}/cryptoKeys/NAME.`,
  });
});

describe("an endpoint", () => {
  it("without a scheme is TLS on port 443", () => {
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
  ])("%s is refused, since an access token would go there or not get there", (endpoint) => {
    const error = errorOf(() => new GcpKmsSigner(NAME, { endpoint }));
    expect(error.code).toBe("misconfigured");
    expect(error.message).not.toContain("password");
  });

  it("beside a client is refused, since the client has its own", () => {
    const options = { endpoint: "http://127.0.0.1:1", client: Object.create(null) };
    expect(errorOf(() => new GcpKmsSigner(NAME, options)).message).toMatch(/Give a client, or else/);
  });
});
