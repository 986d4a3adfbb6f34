/** A token with 2,000 keys. */
import { listKeys } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { faultyPkcs11 } from "../../../testing/pkcs11/faulty-pkcs11.js";

const KEYS = 2_000;
const hsm = await softHsm({ label: "many", keys: Array.from({ length: KEYS }, (_, n) => ({ label: `key-${n}` })) });
const shim = faultyPkcs11(hsm.module);
afterEach(() => shim.order());
afterAll(async () => {
  shim.close();
  await hsm.close();
});
const newSigner = (label: string) =>
  new Pkcs11Signer({ module: shim.module, token: hsm.token, key: label, pin: hsm.pin, timeout: 60_000 });

describe(`a token with ${KEYS} keys`, () => {
  // Keeps the library loaded, and the token logged in.
  const other = newSigner("key-0");
  beforeAll(async () => void (await other.publicJwk()));
  afterAll(() => other.close());

  it("finds a key by its label, and reads only that one", async () => {
    const before = shim.count("C_GetAttributeValue");
    await using signer = newSigner("key-1999");
    await signer.publicJwk();
    expect(shim.count("C_GetAttributeValue") - before).toBeLessThan(20);
  });

  it("names ten keys and the number of the others for a label that no key has, and reads only these", async () => {
    const before = shim.count("C_GetAttributeValue");
    await using signer = newSigner("missing");
    const error = await signer.publicJwk().catch((reason) => reason);
    expect(error).toMatchObject({ code: "key-not-found" });
    expect(error.message).toMatch(/It has (?:"key-\d+" \(id \w+\), ){9}"key-\d+" \(id \w+\) and 1990 more\. /);
    expect(error.message.length).toBeLessThan(700);
    expect(shim.count("C_GetAttributeValue") - before).toBeLessThan(60);
  });

  it("lists all keys in one session", async () => {
    const before = shim.count("C_OpenSession");
    const uris = await listKeys(`pkcs11:token=${hsm.token}`, { module: shim.module, pin: hsm.pin, timeout: 60_000 });
    expect(new Set(uris).size).toBe(KEYS);
    expect(shim.count("C_OpenSession") - before).toBe(1);
  });
});
