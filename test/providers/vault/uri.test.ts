/** The URIs of `hardproof/vault`, its options, and the environment. */
import fc from "fast-check";
import { openSigner, SignerError } from "hardproof";
import { provider, VaultSigner, type VaultSignerOptions } from "hardproof/vault";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { formatVaultUri, parseVaultUri } from "../../../providers/vault/uri.js";

beforeEach(() => {
  for (const name of ["ADDR", "NAMESPACE", "TOKEN"])
    for (const prefix of ["VAULT", "BAO"]) vi.stubEnv(`${prefix}_${name}`, undefined);
});
afterEach(() => vi.unstubAllEnvs());

const address = "https://vault.example.com:8200";
const name = fc.stringMatching(/^[A-Za-z0-9](?:[\w.-]{0,8}[A-Za-z0-9])?$/);
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const source = fc.constantFrom({ env: "OTHER" }, { file: "/run/vault token" }, { file: "/a?b&c=d%" });
const place = fc.record({ mount: path, namespace: path }, { requiredKeys: [] });
const login = fc.oneof(
  fc.record({ token: source }),
  fc.constant({}),
  fc.tuple(fc.oneof(source, fc.constant("f1af4455-ed35")), source, place).map(([roleId, secretId, rest]) => {
    return { appRole: { roleId, secretId, ...rest } };
  }),
  fc.tuple(name, source, place).map(([role, jwt, rest]) => ({ kubernetes: { role, jwt, ...rest } })),
);
const parts = fc.record(
  {
    version: fc.integer({ min: 1, max: 999_999_999 }),
    algorithm: fc.constantFrom("ES256" as const, "PS384" as const, "Ed25519" as const),
    namespace: path,
  },
  { requiredKeys: [] },
);
const origin = fc.constantFrom(address, "https://vault.example.com", "http://127.0.0.1:8200", "http://[::1]:8200");

describe("a URI", () => {
  it("is formatted and parsed without losing any part of it", () => {
    fc.assert(
      fc.property(name, path, origin, parts, login, (key, mount, address, others, logins) => {
        const options = { mount, address, ...others, ...logins };
        const { uri } = new VaultSigner(key, options);
        expect(parseVaultUri(uri)).toEqual({ name: key, ...options });
        expect(provider.open(uri).uri).toBe(uri);
      }),
    );
  });

  it("never makes the parser throw anything but a SignerError, whatever follows the scheme", () => {
    fc.assert(
      fc.property(fc.string(), (rest) => {
        try {
          parseVaultUri(`vault:${rest}`);
        } catch (error) {
          expect(error).toBeInstanceOf(SignerError);
        }
      }),
    );
  });

  it.each([
    ["another scheme", "vaults://h/transit/k", /must start with vault:/],
    ["no slashes", "vault:transit/k", /must have the form/],
    ["no mount", "vault://h/k", /MOUNT\/NAME/],
    ["no mount and no host", "vault:///k", /MOUNT\/NAME/],
    ["no key name", "vault://h/transit/", /name of the key is missing/],
    ["a path traversal", "vault://h/transit/%2e%2e/sys", /MOUNT\/NAME/],
    ["dots", "vault://h/transit/../sys", /MOUNT\/NAME/],
    ["a name that ends with a dot", "vault://h/transit/k.", /MOUNT\/NAME/],
    ["an empty segment", "vault://h/transit//k", /MOUNT\/NAME/],
    ["a user", "vault://s3cr3t@h/transit/k", /user name/],
    ["a user and a password", "vault://u:s3cr3t@h/transit/k", /user name/],
    ["a host that isn't one", "vault://h:99999999/transit/k", /host isn't valid/],
    ["a fragment", "vault://h/transit/k#s3cr3t", /must be percent-encoded/],
    ["a token", "vault://h/transit/k?token=s3cr3t", /Unknown attribute/],
    ["a secret id", "vault://h/transit/k?role-id=r&secret-id=s3cr3t", /Unknown attribute/],
    ["a token instead of its source", "vault://h/transit/k?token-source=s3cr3t", /token-source must be/],
    ["a secret id without a role id", "vault://h/transit/k?secret-id-source=env:S", /needs role-id/],
    ["two logins", "vault://h/transit/k?role=a&role-id=b", /Only one of/],
    ["two role ids", "vault://h/transit/k?role-id-source=env:R&role-id=b", /Only one of/],
    ["a service account's token without a role", "vault://h/transit/k?jwt-source=/jwt", /needs role/],
    ["a mount of no login", "vault://h/transit/k?login-mount=ci", /need role/],
    ["a mount that goes up", "vault://h/transit/k?role=a&login-mount=a/../sys", /login-mount must be/],
    ["an unknown algorithm", "vault://h/transit/k?algorithm=HS256", /algorithm must be one of ES256/],
    ["version 0", "vault://h/transit/k?version=0", /version must be/],
    ["a version twice", "vault://h/transit/k?version=1&version=2", /version appears twice/],
    ["plain HTTP to another machine", "vault://h/transit/k?tls=off", /only for a server on this machine/],
    ["plain HTTP to a look-alike", "vault://127.0.0.1.evil.example/transit/k?tls=off", /only for a server on this/],
    ["plain HTTP without a host", "vault:///transit/k?tls=off", /needs a host/],
    ["another value of tls", "vault://127.0.0.1/transit/k?tls=skip-verify", /tls must be `off`/],
    ["a namespace that a header can't contain", "vault://h/transit/k?namespace=%0a", /namespace must be/],
  ])("with %s is rejected, without its values", (_, uri, why) => {
    expect(() => provider.open(uri)).toThrow(SignerError);
    expect(() => provider.open(uri)).toThrow(why);
    expect(() => provider.open(uri)).not.toThrow(/s3cr3t/);
  });

  it("takes precedence over the options; a login in it replaces theirs", () => {
    const options = { address: "https://other.example", version: 2, appRole: { roleId: "r" } };
    const { uri } = provider.open("vault://h/transit/k?version=3&token-source=/t", options);
    expect(uri).toBe("vault://h/transit/k?version=3&token-source=/t");
  });

  it("opens a key by its scheme", async () => {
    await using signer = await openSigner("vault://h:8200/team/transit/k?algorithm=RS256");
    expect(signer).toBeInstanceOf(VaultSigner);
    expect(signer.uri).toBe("vault://h:8200/team/transit/k?algorithm=RS256");
  });
});

describe("the environment", () => {
  it.each(["VAULT_ADDR", "BAO_ADDR"])("has the address in %s if the URI has none", (variable) => {
    vi.stubEnv(variable, `${address}/`);
    expect(provider.open("vault:///transit/k").uri).toBe("vault://vault.example.com:8200/transit/k");
    expect(new VaultSigner("k").uri).toBe("vault://vault.example.com:8200/transit/k");
    expect(provider.open("vault://h/transit/k").uri).toBe("vault://h/transit/k");
  });

  it.each(["VAULT_NAMESPACE", "BAO_NAMESPACE"])("has the namespace in %s", (variable) => {
    vi.stubEnv(variable, "admin/team/");
    expect(new VaultSigner("k", { address }).uri).toContain("?namespace=admin/team");
    expect(new VaultSigner("k", { address, namespace: "other" }).uri).toContain("?namespace=other");
  });

  it("is rejected if the variables of Vault and OpenBao differ", () => {
    vi.stubEnv("VAULT_ADDR", address);
    vi.stubEnv("BAO_ADDR", "https://bao.example.com");
    expect(() => new VaultSigner("k")).toThrow(/BAO_ADDR and VAULT_ADDR have different values/);
    vi.stubEnv("BAO_ADDR", "");
    expect(new VaultSigner("k").uri).toContain("vault.example.com");
  });

  it.each([
    [undefined, /address is missing/],
    ["http://vault.example.com:8200", /must start with https/],
    ["https://user:s3cr3t@vault.example.com", /must not have credentials/],
    ["https://vault.example.com/prefix", /a path/],
    ["https://vault.example.com/?s3cr3t", /a query/],
    ["unix:///run/vault.sock", /must not have .*path|must start with https/],
    ["vault.example.com", /must be a URL/],
    ["ftp://vault.example.com", /must start with https/],
  ])("is rejected if VAULT_ADDR is %s", (value, why) => {
    vi.stubEnv("VAULT_ADDR", value);
    expect(() => new VaultSigner("k")).toThrow(why);
    expect(() => new VaultSigner("k")).not.toThrow(/s3cr3t/);
  });

  it.each(["http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200"])(
    "may name %s, this machine",
    (value) => {
      vi.stubEnv("VAULT_ADDR", value);
      expect(new VaultSigner("k").uri).toContain("?tls=off");
    },
  );
});

describe("options", () => {
  // What a caller in JavaScript may pass.
  const invalid: [string, object, RegExp][] = [
    ["two logins", { token: "s3cr3t", appRole: { roleId: "r" } }, /Set only one of/],
    ["a role id that is missing", { appRole: {} }, /appRole.roleId must be/],
    ["a secret id that is empty", { appRole: { roleId: "r", secretId: "" } }, /appRole.secretId must be/],
    ["a role that is missing", { kubernetes: {} }, /kubernetes.role is missing/],
    ["a token that is a number", { token: 7 }, /token must be/],
    ["a token source of another shape", { token: { path: "/t" } }, /token must be/],
    ["a mount that goes up", { mount: "../sys" }, /mount must be/],
    ["a mount of a login that goes up", { kubernetes: { role: "r", mount: ".." } }, /kubernetes.mount must be/],
    ["a namespace with a line break", { namespace: "a\nb" }, /namespace must be/],
    ["version 0", { version: 0 }, /version must be/],
    ["version 1.5", { version: 1.5 }, /version must be/],
    ["fetch that isn't a function", { fetch: "fetch" }, /fetch must be/],
    ["an unknown algorithm", { algorithm: "HS256" }, /algorithm must be one of/],
    ["a timeout of 0", { timeout: 0 }, /timeout must be/],
  ];
  it.each(invalid)("with %s are rejected, without a secret", (_, options, why) => {
    const create = () => new VaultSigner("k", { address, ...options } as VaultSignerOptions);
    expect(create).toThrow(SignerError);
    expect(create).toThrow(why);
    expect(create).not.toThrow(/s3cr3t/);
  });

  it.each(["", ".", "a/b", "a b", "a.", "é"])("need a valid name, not %j", (key) => {
    expect(() => new VaultSigner(key, { address })).toThrow(/[Nn]ame of (?:a|the) key/);
  });

  it("with a secret by value leave it out of the URI", () => {
    const appRole = { roleId: "r", secretId: "s3cr3t" };
    expect(new VaultSigner("k", { address, appRole }).uri).toBe("vault://vault.example.com:8200/transit/k?role-id=r");
    const parts = { name: "k", mount: "transit", address, login: { kind: "token", token: "s3cr3t" } as const };
    expect(formatVaultUri(parts)).not.toContain("s3cr3t");
  });
});
