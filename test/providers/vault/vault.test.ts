/**
 * VaultSigner and its provider. The tests run against the emulator or, if HARDPROOF_TEST_VAULT_ADDR is set, unchanged against
 * a real Vault or OpenBao (docs/vault.md).
 */
import { inspect } from "node:util";
import { DPoPProver, listKeys, requireNonExportable, type SignerError } from "hardproof";
import { provider, VaultSigner, type VaultSignerOptions } from "hardproof/vault";
import { importJWK, jwtVerify } from "jose";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { isSignedBy } from "../verify-jws.js";
import { ALGORITHMS } from "./algorithms.js";
import { vaultTarget } from "./target.js";

const target = await vaultTarget();
const { mount = "transit", address, token } = target.options;
const engine = `vault://${new URL(address).host}/${mount}/${address.startsWith("http:") ? "?tls=off" : ""}`;
const uriOf = (name: string) => engine.replace(/\/(?=\?|$)/, `/${name}`);
afterEach(() => vi.unstubAllEnvs());
afterAll(() => target.close());

const message = Buffer.from("message to sign");
const newSigner = (name: string, options: VaultSignerOptions = {}) =>
  new VaultSigner(name, { ...target.options, ...options });
const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const openError = async (name: string, options: VaultSignerOptions = {}) => {
  await using signer = newSigner(name, options);
  return errorOf(signer.publicJwk());
};
const usable = ALGORITHMS.filter(({ type }) => target.has(type));

describe("a proof", () => {
  it.each(usable)("by $alg with a key of type $type is valid for node:crypto and for jose", async (row) => {
    const { alg, type, settings } = row;
    await using signer = newSigner(await target.createKey(type, settings), { algorithm: alg });
    const prover = await DPoPProver.create(signer);
    const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example/" });
    const { protectedHeader } = await jwtVerify(proof, await importJWK({ ...prover.publicJwk }, alg));
    expect(protectedHeader).toMatchObject({ alg, jwk: prover.publicJwk });
    expect(isSignedBy(proof, prover.publicJwk, alg)).toBe(true);
    expect(isSignedBy(proof.replace(".", ".A"), prover.publicJwk, alg)).toBe(false);
  });

  it("by an RSA key needs the option algorithm, and the error lists what the key can sign with", async () => {
    const error = await openError(await target.createKey("rsa-2048"));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringMatching(/RS256.*PS256/) });
  });
});

describe("a version", () => {
  it("is pinned when the key is opened, so a rotation doesn't change the key of an open signer", async () => {
    const name = await target.createKey();
    await using before = newSigner(name);
    const jwk = await before.publicJwk();
    await target.rotate(name);
    await expect(before.sign(message)).resolves.toHaveLength(64);
    await using after = newSigner(name);
    await using pinned = newSigner(name, { version: 1 });
    expect(await after.publicJwk()).not.toEqual(jwk);
    expect(await pinned.publicJwk()).toEqual(jwk);
    await expect(pinned.sign(message)).resolves.toHaveLength(64);
    expect((await after.describe()).evidence).toMatchObject({ name, version: 2, latest_version: 2 });
  });

  it("below the minimum can't sign any more, and the error is final", async () => {
    const name = await target.createKey();
    await using signer = newSigner(name);
    await signer.sign(message);
    await target.rotate(name);
    await target.configure(name, { min_encryption_version: 2 });
    const error = await errorOf(signer.sign(message));
    expect(error).toMatchObject({ code: "key-not-found", retryable: false, uri: signer.uri });
    expect(error.message).toMatch(/less than the minimum/);
    expect(await openError(name, { version: 1 })).toMatchObject({
      code: "key-not-found",
      message: expect.stringMatching(/Version 1 is below .*min_encryption_version, 2/),
    });
  });

  it("that was archived can't sign any more, and the error is final", async () => {
    const name = await target.createKey();
    await using signer = newSigner(name);
    await signer.sign(message);
    await target.rotate(name);
    await target.configure(name, { min_decryption_version: 2 });
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "key-not-found", retryable: false });
    expect(await openError(name, { version: 1 })).toMatchObject({
      code: "key-not-found",
      message: expect.stringMatching(/doesn't have version 1, or it is archived.*\(2\)/),
    });
  });

  it("that doesn't exist is key-not-found", async () => {
    expect(await openError(await target.createKey(), { version: 9 })).toMatchObject({ code: "key-not-found" });
  });

  it("and its public key need no read: a wrong public key is an integrity error", async () => {
    const [name, other] = [await target.createKey(), await target.createKey()];
    await using opened = newSigner(name);
    const publicKey = await opened.publicJwk();
    await using signer = newSigner(name, { version: 1, publicKey });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    await using wrong = newSigner(other, { version: 1, publicKey });
    expect(await errorOf(wrong.sign(message))).toMatchObject({ code: "integrity" });
    expect(await openError(other, { publicKey })).toMatchObject({ code: "wrong-key" });
  });
});

describe("a key", () => {
  it("that is soft-deleted is access-denied when it is opened and when it signs", async () => {
    const name = await target.createKey();
    await using signer = newSigner(name);
    await signer.sign(message);
    await target.configure(name, { soft_deleted: true });
    const denied = {
      code: "access-denied",
      retryable: false,
      message: expect.stringMatching(/soft-deleted. Restore it/),
    };
    expect(await errorOf(signer.sign(message))).toMatchObject(denied);
    expect(await openError(name)).toMatchObject(denied);
  });

  it("that doesn't exist is key-not-found", async () => {
    expect(await openError("hardproof-test-none")).toMatchObject({ code: "key-not-found", retryable: false });
  });

  it("in an engine that isn't mounted is misconfigured", async () => {
    const error = await openError("dpop", { mount: "no/such/engine" });
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("Check the mount") });
  });

  it("for encryption is a wrong key", async () => {
    const error = await openError(await target.createKey("aes256-gcm96"));
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringContaining("aes256-gcm96") });
  });

  it("that is derived is a wrong key", async () => {
    const error = await openError(await target.createKey("ed25519", { derived: true }));
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringContaining("derived=false") });
  });
});

describe("describe()", () => {
  it.each([
    ["a key that the server created", {}, false],
    ["a key that may be exported", { exportable: true }, true],
    ["a key that may be backed up in plaintext", { allow_plaintext_backup: true }, true],
  ])("reports whether a key can be exported: %s", async (_, settings, exportable) => {
    const name = await target.createKey("ecdsa-p256", settings);
    await using signer = newSigner(name);
    expect(await signer.describe()).toMatchObject({
      provider: "vault",
      protection: "software",
      exportable,
      evidence: { name, type: "ecdsa-p256", version: 1, imported_key: false, ...settings },
    });
    const required = requireNonExportable(signer);
    if (exportable) expect(await errorOf(required)).toMatchObject({ code: "wrong-key" });
    else expect((await required).exportable).toBe(false);
  });
});

describe("the provider", () => {
  it.each(usable)("creates a key for $alg that can't be exported, lists it, and opens it", async ({ alg }) => {
    const uri = uriOf(`hardproof-test-${alg.toLowerCase()}-${Date.now()}`);
    await using created = await provider.create(uri, { token, algorithm: alg });
    expect((await created.publicJwk()).alg).toBe(alg);
    expect((await created.describe()).exportable).toBe(false);
    const listed = await listKeys(engine, { token, algorithm: alg });
    const found = listed.find((candidate) => candidate.startsWith(uri.replace(/\?.*/, ""))) ?? expect.unreachable();
    expect(new URL(found).searchParams.get("version")).toBe("1");
    await using opened = provider.open(found, { token });
    expect(await opened.publicJwk()).toEqual(await created.publicJwk());
    expect(await errorOf(provider.create(uri, { token }))).toMatchObject({ code: "misconfigured" });
  });

  it("omits keys from list() that can't sign or would need a context", async () => {
    const [aes, derived] = [
      await target.createKey("aes256-gcm96"),
      await target.createKey("ed25519", { derived: true }),
    ];
    const listed = await listKeys(engine, { token });
    expect(listed.filter((uri) => uri.includes(aes) || uri.includes(derived))).toEqual([]);
  });

  it("finds the key healthy when it diagnoses it", async () => {
    const findings = [];
    for await (const finding of provider.diagnose(uriOf(await target.createKey()), { token })) findings.push(finding);
    expect(findings.map(({ check, ok }) => [check, ok])).toEqual([
      ["server", true],
      ["clock", true],
      ["token", true],
      ["transit key", true],
      ["policy", true],
    ]);
    expect(inspect(findings)).not.toContain(token);
  });
});

describe("AppRole", () => {
  it("signs with the token of its login, renews it, and revokes it when the last signer is closed", async () => {
    const { roleId, secretId } = await target.appRole(3);
    const appRole = { roleId, secretId };
    const signer = new VaultSigner(await target.createKey(), { address, mount, appRole });
    const other = new VaultSigner(await target.createKey(), { address, mount, appRole });
    await Promise.all([signer.sign(message), other.sign(message)]);
    // Longer than the token lives without a renewal.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    await Promise.all([signer.close(), other.close()]);
    if (!target.emulator) return;
    const { plan, tokens } = target.emulator;
    expect(plan.count("login")).toBe(1);
    expect(plan.count("renew")).toBeGreaterThan(0);
    expect(plan.count("revoke")).toBe(1);
    expect(tokens.valid).toEqual([]);
  });

  it("with a wrong secret id is access-denied, and the error doesn't contain it", async () => {
    const { roleId } = await target.appRole(3);
    const secretId = "3bc9405c-wrong-secret-id";
    await using signer = new VaultSigner("dpop", { address, mount, appRole: { roleId, secretId } });
    const error = await errorOf(signer.sign(message));
    expect(error).toMatchObject({ code: "access-denied", uri: signer.uri });
    expect(inspect([error, signer], { depth: 9, showHidden: true })).not.toContain(secretId);
  });
});
