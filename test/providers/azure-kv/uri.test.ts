/** Identifiers and URIs of keys in Key Vault, which are validated without I/O. */
import fc from "fast-check";
import { listKeys, SignerError } from "hardproof";
import { AzureKeyVaultSigner, provider } from "hardproof/azure-kv";
import { describe, expect, it } from "vitest";
import { parseKeyId } from "../../../providers/azure-kv/key-id.js";
import { formatAzureKvUri, parseAzureKvUri } from "../../../providers/azure-kv/uri.js";

const VAULT = "https://my-vault.vault.azure.net";
const VERSION = "0123456789abcdef0123456789abcdef";
const errorOf = (work: () => unknown): SignerError => {
  try {
    work();
  } catch (error) {
    if (error instanceof SignerError) return error;
    throw error;
  }
  return expect.unreachable();
};

const name = fc.stringMatching(/^[0-9a-zA-Z-]{1,127}$/);
const version = fc.option(fc.stringMatching(/^[0-9a-f]{32}$/), { nil: undefined });
const vaultUrl = fc.constantFrom(
  VAULT,
  "https://my-hsm.managedhsm.azure.net",
  "https://v.vault.azure.cn",
  "https://v.vault.usgovcloudapi.net",
  "https://v.vault.local.azurestack.example:8443",
  "http://agents.vault.localhost:8200",
  "http://127.0.0.1:8200",
  "http://[::1]:8200",
);
const attributes = fc.record(
  { algorithm: fc.constantFrom("ES384" as const, "PS256" as const), hsm: fc.boolean() },
  { requiredKeys: [] },
);

describe("azurekms: URIs", () => {
  it("parses a formatted URI back to the same parts", () => {
    fc.assert(
      fc.property(vaultUrl, name, version, attributes, (vaultUrl, name, version, attributes) => {
        const id = { vaultUrl, name, ...(version !== undefined && { version }) };
        expect(parseAzureKvUri(formatAzureKvUri(id, attributes))).toEqual({ ...id, ...attributes });
      }),
    );
  });

  it("rejects arbitrary text in place of a URI as misconfigured, without repeating it", () => {
    const secret = "s3cr3t-value";
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string().map((end) => `azurekms:${end}`),
      fc.string().map((end) => `azurekms://my-vault.vault.azure.net/dpop${end}`),
      fc.string().map((end) => `azurekms:name=dpop;vault=v${end}`),
    );
    fc.assert(
      fc.property(text, (uri) => {
        try {
          expect(formatAzureKvUri(parseAzureKvUri(uri))).toMatch(/^azurekms:\/\//);
        } catch (error) {
          expect(error).toMatchObject({ name: "SignerError", code: "misconfigured" });
        }
        try {
          parseAzureKvUri(`${uri};client-secret=${secret}`);
        } catch (error) {
          expect(String(error)).not.toContain(secret);
        }
      }),
    );
  });

  const dpop = { vaultUrl: VAULT, name: "dpop" };
  it.each([
    // sigstore (pkg/signature/kms/azure/client_test.go)
    ["azurekms://my-vault.vault.azure.net/dpop", dpop],
    ["azurekms://my-vault.vault.azure.net/dpop/", dpop],
    ["azurekms://my-vault.vault.azure.net/dpop/123abc", { ...dpop, version: "123abc" }],
    ["azurekms://my-vault.vault.azure.net", { vaultUrl: VAULT }],
    ["azurekms://my-vault.vault.azure.net/", { vaultUrl: VAULT }],
    ["azurekms://MY-VAULT.vault.azure.net/dpop", dpop],
    ["azurekms://my-vault.vault.azure.net/dpo%70?version=123abc", { ...dpop, version: "123abc" }],
    // smallstep (kms/azurekms/utils_test.go)
    ["azurekms:name=dpop;vault=my-vault?version=my1version", { ...dpop, version: "my1version" }],
    ["azurekms:name=dpop;vault=my-vault;version=my1version", { ...dpop, version: "my1version" }],
    ["azurekms:vault=my-vault;name=dpop", dpop],
    ["azurekms:name=dpop;vault=my-vault?hsm=true", { ...dpop, hsm: true }],
    ["azurekms:name=dpop;vault=my-vault?hsm=false", { ...dpop, hsm: false }],
    ["azurekms:name=dpop;vault=my-vault?version=1&hsm=true", { ...dpop, version: "1", hsm: true }],
    ["azurekms:name=dpop;vault=my%2dvault", dpop],
    ["azurekms:vault=my-vault", { vaultUrl: VAULT }],
    [
      "azurekms:name=dpop;vault=my-vault;environment=usgov",
      { vaultUrl: "https://my-vault.vault.usgovcloudapi.net", name: "dpop" },
    ],
    [
      "azurekms:name=dpop;vault=my-vault?environment=AzureChinaCloud",
      { vaultUrl: "https://my-vault.vault.azure.cn", name: "dpop" },
    ],
  ])("parses %s", (uri, parts) => {
    expect(parseAzureKvUri(uri)).toEqual(parts);
  });

  it.each([
    ["azure://v/k", /must start with azurekms:/],
    ["azurekms:", /vault is missing/],
    ["azurekms:name=dpop", /vault is missing/],
    ["azurekms:name=dpop;vault=", /vault is missing/],
    ["azurekms:name=;vault=v", /The name of a key has 1 to 127/],
    ["azurekms:name=%ZZ;vault=v", /two hex digits/],
    ["azurekms:name=a;name=b;vault=v", /name appears twice/],
    ["azurekms:name=a;version=1;vault=v?version=2", /version appears twice/],
    ["azurekms:name=a;vault=evil.example", /without its domain/],
    ["azurekms:name=a;vault=v;environment=constructor", /environment must be one of public/],
    ["azurekms:name=a;vault=v;client-secret=x", /Unknown attribute/],
    ["azurekms:name=a;vault=v?hsm=yes", /hsm must be true or false/],
    ["azurekms:name=a;vault=v?plaintext=true", /Unknown attribute/],
    ["azurekms://", /Expected the host of a vault/],
    ["azurekms:///dpop", /Expected the host of a vault/],
    ["azurekms://v.vault.azure.net/dpop/1/sign", /Expected \/\/HOST\/NAME/],
    ["azurekms://v.vault.azure.net/dpop/1?version=2", /version appears twice/],
    ["azurekms://v.vault.azure.net/dp%2Fop", /The name of a key has/],
    ["azurekms://v.vault.azure.net/..", /The name of a key has/],
    ["azurekms://v.vault.azure.net?version=1", /version needs the name of a key/],
    ["azurekms://v.vault.azure.net/dpop?algorithm=HS256", /algorithm must be one of/],
    ["azurekms://v.vault.azure.net/dpop?plaintext=true", /must be reached by https/],
    ["azurekms://user:pw@v.vault.azure.net/dpop", /must not have credentials/],
    ["azurekms://v.vault.azure.net:99999/dpop", /host of the vault is malformed/],
  ])("rejects %s with the reason", (uri, reason) => {
    const error = errorOf(() => parseAzureKvUri(uri));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringMatching(reason) });
    expect(error.message).not.toContain("pw");
  });

  it("opens a signer with sigstore's form of the same URI", () => {
    const uri = `azurekms://my-vault.vault.azure.net/dpop/${VERSION}`;
    expect(provider.open(uri).uri).toBe(uri);
    expect(provider.open(`azurekms:name=dpop;vault=my-vault?version=${VERSION}`).uri).toBe(uri);
    expect(new AzureKeyVaultSigner(`${VAULT}/keys/dpop/${VERSION}`).uri).toBe(uri);
    expect(new AzureKeyVaultSigner(`${VAULT}/keys/dpop`, { algorithm: "PS256" }).uri).toBe(
      "azurekms://my-vault.vault.azure.net/dpop?algorithm=PS256",
    );
  });

  it("needs the name of a key to open or to create one", async () => {
    expect(errorOf(() => provider.open("azurekms://v.vault.azure.net")).message).toMatch(
      /names a vault, but not a key/,
    );
    await expect(provider.create("azurekms://v.vault.azure.net")).rejects.toThrow(/names a vault, but not a key/);
    await expect(provider.create(`azurekms://v.vault.azure.net/dpop/${VERSION}`)).rejects.toThrow(
      /chooses the version/,
    );
    await expect(listKeys("azurekms://v.vault.azure.net/dpop")).rejects.toThrow(/must not name a key/);
  });
});

describe("identifiers of keys", () => {
  it.each([
    ["dpop", /isn't a URL/],
    ["", /isn't a URL/],
    [undefined as never, /isn't a URL/],
    [`${VAULT}`, /doesn't name a key/],
    [`${VAULT}/dpop`, /doesn't name a key/],
    [`${VAULT}/secrets/dpop`, /doesn't name a key/],
    [`${VAULT}/keys/`, /has 1 to 127/],
    [`${VAULT}/keys/dpop/`, /doesn't name a key/],
    [`${VAULT}/keys/dpop/1/2`, /doesn't name a key/],
    [`${VAULT}/keys/dp_op`, /has 1 to 127/],
    [`${VAULT}/keys/${"a".repeat(128)}`, /has 1 to 127/],
    [`${VAULT}/keys/dpop/1-2`, /letters and digits/],
    [`${VAULT}/keys/dpop?api-version=7.4`, /must not have credentials, a query/],
    [`${VAULT}/keys/dpop#1`, /must not have credentials, a query/],
    ["https://user:pw@my-vault.vault.azure.net/keys/dpop", /must not have credentials/],
    ["http://my-vault.vault.azure.net/keys/dpop", /must be reached by https/],
    ["http://127.0.0.1.evil.example/keys/dpop", /must be reached by https/],
    ["http://10.0.0.1/keys/dpop", /must be reached by https/],
    ["ftp://127.0.0.1/keys/dpop", /must be reached by https/],
  ])("rejects %j in the constructor, with the reason", (id, reason) => {
    const error = errorOf(() => new AzureKeyVaultSigner(id));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringMatching(reason) });
    expect(error.message).not.toContain("pw");
  });

  it("rejects arbitrary text as misconfigured", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map((end) => `${VAULT}/keys/${end}`),
        ),
        (id) => {
          try {
            expect(parseKeyId(id).name).toMatch(/^[\w-]+$/);
          } catch (error) {
            expect(error).toMatchObject({ code: "misconfigured" });
          }
        },
      ),
    );
  });

  it("rejects a credential that isn't one", () => {
    const options = { credential: "a token" as never };
    expect(errorOf(() => new AzureKeyVaultSigner(`${VAULT}/keys/dpop`, options)).message).toMatch(
      /must be a TokenCredential/,
    );
  });
});
