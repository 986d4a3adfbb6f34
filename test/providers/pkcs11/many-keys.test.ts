/** A token with 2,000 keys. */
import { deleteKey, listKeys, streamKeys } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { faultyPkcs11 } from "../../../testing/pkcs11/faulty-pkcs11.js";
import { CKR } from "../../../testing/pkcs11/return-values.js";

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

  const uri = `pkcs11:token=${hsm.token}`;
  const options = { module: shim.module, pin: hsm.pin, timeout: 60_000 };

  it("lists all keys in one session, and sorts each portion", async () => {
    const before = shim.count("C_OpenSession");
    const uris = await listKeys(uri, options);
    expect(new Set(uris).size).toBe(KEYS);
    const portion = uris.slice(0, 100);
    expect(portion).toEqual(portion.toSorted());
    expect(shim.count("C_OpenSession") - before).toBe(1);
  });

  it("lists all keys while another signer's signatures are slow now and then", async () => {
    const slow = [20, 60, 100, 140, 180].map((from) => ({ on: "C_Sign" as const, from, times: 1, act: { delay: 60 } }));
    shim.order(...slow);
    let listing = true;
    const caller = async () => {
      while (listing) await other.sign(Buffer.from("x"));
    };
    const callers = Array.from({ length: 12 }, caller);
    const uris = await listKeys(uri, options).finally(() => {
      listing = false;
    });
    await Promise.all(callers);
    expect(new Set(uris).size).toBe(KEYS);
  });

  it("lists the first key before it searches for the others, and closes the session at a break", async () => {
    const before = { searches: shim.count("C_FindObjects"), sessions: shim.openSessions() };
    const reads = shim.count("C_GetAttributeValue");
    for await (const first of streamKeys(uri, options)) {
      expect(first).toMatch(/object=key-/);
      expect(shim.openSessions()).toBe(before.sessions + 1);
      break;
    }
    expect(shim.count("C_FindObjects") - before.searches).toBe(1);
    expect(shim.count("C_GetAttributeValue") - reads).toBeLessThan(KEYS);
    expect(shim.openSessions()).toBe(before.sessions);
    await other.sign(Buffer.from("x"));
  });

  it("signs with another key between two portions, and lists each key once", async () => {
    const searches = shim.count("C_FindObjects");
    const uris = new Set<string>();
    let signatures = 0;
    for await (const each of streamKeys(uri, options)) {
      uris.add(each);
      if (uris.size % 150 !== 1) continue;
      const before = { searches: shim.count("C_FindObjects"), signatures: shim.count("C_Sign") };
      await other.sign(Buffer.from("between two portions"));
      expect(shim.count("C_Sign") - before.signatures).toBe(1);
      expect(shim.count("C_FindObjects")).toBe(before.searches);
      signatures += 1;
    }
    expect({ keys: uris.size, signatures }).toEqual({ keys: KEYS, signatures: 14 });
    expect(shim.count("C_FindObjects") - searches).toBeGreaterThan(KEYS / 100);
  });

  it("has a time limit for each portion and not for the list", async () => {
    shim.order({ on: "C_FindObjects", act: { delay: 300 } });
    const start = performance.now();
    const uris = await listKeys(uri, { ...options, timeout: 5_000 });
    expect(performance.now() - start).toBeGreaterThan(5_000);
    expect(uris).toHaveLength(KEYS);
  });

  it("ends when the caller aborts, and closes the session", async () => {
    const sessions = shim.openSessions();
    const caller = new AbortController();
    const list = async () => {
      for await (const _ of streamKeys(uri, { ...options, signal: caller.signal })) caller.abort();
    };
    await expect(list()).rejects.toMatchObject({ code: "aborted" });
    await expect.poll(() => shim.openSessions()).toBe(sessions);
  });

  it("ends with an error if the library was restarted meanwhile, rather than list keys twice", async () => {
    let count = 0;
    const list = async () => {
      for await (const _ of streamKeys(uri, options)) {
        if (++count > 1) continue;
        shim.order({ on: "C_Sign", times: 1, act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } });
        await other.sign(Buffer.from("after a restart"));
      }
    };
    await expect(list()).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("again") });
    expect(count).toBe(100);
    expect(await listKeys(uri, options)).toHaveLength(KEYS);
  });

  it("leaves out a key that is deleted meanwhile", async () => {
    const last = (await listKeys(uri, options)).at(-1) ?? expect.unreachable();
    const uris: string[] = [];
    for await (const each of streamKeys(uri, options)) if (uris.push(each) === 1) await deleteKey(last, options);
    expect(uris).toHaveLength(KEYS - 1);
    expect(uris).not.toContain(last);
  });
});
