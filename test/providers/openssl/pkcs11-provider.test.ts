/** Keys of a SoftHSM token that OpenSSL opens by pkcs11-provider, through p11-kit: the conformance kit, and PINs counted at the token. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FaultyPkcs11, faultyPkcs11 } from "../../../testing/pkcs11/faulty-pkcs11.js";
import { blocksUnder } from "../../mtls/page.js";
import { missing, PROVIDER } from "../../mtls/ways.js";
import { testedAlgorithms } from "../../tested-algorithms.js";
import { type P11KitServer, p11KitServer, pkcs11ProviderPath } from "../../tokens/index.js";
import { registerKit } from "./kit.js";
import { type Attempt, attempts, noStoreNode, type ProgramOptions, runProgram } from "./program.js";

const skipped = noStoreNode ?? missing[PROVIDER];

/** The keys that the tests use. */
const KEYS = [
  { label: "p256", id: "10", algorithm: "ES256" },
  { label: "p384", id: "11", algorithm: "ES384" },
  { label: "p521", id: "12", algorithm: "ES512" },
  { label: "rsa", id: "13", algorithm: "RS256" },
  { label: "twin", id: "21" },
  { label: "twin", id: "22" },
  { label: "private-only", id: "23", publicObject: false },
] as const;
const keyFor = (algorithm: string) => ({ ES256: "p256", ES384: "p384", ES512: "p521" })[algorithm] ?? "rsa";

describe.skipIf(skipped)(`by pkcs11-provider${skipped ? ` (${skipped})` : ""}`, () => {
  let hsm: SoftHsm;
  let shim: FaultyPkcs11;
  let kit: P11KitServer;
  let where: ProgramOptions;
  beforeAll(async () => {
    hsm = await softHsm({ label: "agents", keys: [{ label: "dpop" }, ...KEYS] });
    shim = faultyPkcs11(hsm.module);
    kit = await p11KitServer({ ...hsm, module: shim.module });
    const ini = (blocksUnder(PROVIDER).ini ?? "")
      .replace("/usr/lib/x86_64-linux-gnu/ossl-modules/pkcs11.so", pkcs11ProviderPath() ?? "")
      .replace("/usr/lib/vendor/libpkcs11.so", kit.module);
    const configuration = join(hsm.directory, "openssl.cnf");
    writeFileSync(configuration, ini);
    where = { configuration, env: { ...kit.env, HSM_PIN: hsm.pin, WRONG: "wrong-pin", LONG: "1".repeat(40) } };
  }, 120_000);
  afterAll(async () => {
    await kit?.close();
    shim?.close();
    await hsm?.close();
  });

  const uriOf = (label: string, query = "pin-source=env:HSM_PIN") =>
    `openssl:pkcs11:token=agents;object=${label}?${query}`;
  const wrong = "pin-source=env:WRONG";
  /** Returns the result of the work, and how many wrong PINs the token has rejected. */
  const countWrong = async <T>(work: () => Promise<T>): Promise<[result: T, wrongPins: number]> => {
    const before = shim.wrongPins();
    const result = await work();
    return [result, shim.wrongPins() - before];
  };

  describe.each(testedAlgorithms("openssl"))("the conformance kit for %s", (algorithm) => {
    const other = algorithm === "ES384" ? ["p256", "P-256"] : ["p384", "P-384"];
    const fixture = `
      const pin = process.env.HSM_PIN;
      const open = (key) => new OpensslSigner({ key: "pkcs11:token=agents;object=" + key, pin, algorithm: "${algorithm}" });
      const fixture = {
        open: () => open("${keyFor(algorithm)}"),
        wrongKey: { open: () => open("${other[0]}"), found: "${other[1]}" },
        hanging: "faults.test.ts shows loaders that hang.",
        slow: "The loader of the tests shows it.",
        connections: "The loader of the tests shows it.",
        failsFirst: "The loader of the tests shows it.",
        secrets: [pin],
        signatures,
      };
    `;
    registerKit(fixture, () => where, 10);
  });

  it("tries a wrong PIN once, for all keys of the token", async () => {
    const uris = [uriOf("p256", wrong), uriOf("p256", wrong), uriOf("p384", wrong), uriOf("p256")];
    const [results, count] = await countWrong(() => attempts(uris, where));
    expect(results.map(({ code }) => code)).toEqual(["pin-incorrect", "pin-incorrect", "pin-incorrect", undefined]);
    expect(count).toBe(1);
    expect(JSON.stringify(results)).not.toContain("wrong-pin");
  });

  it("doesn't use a different PIN while the process is logged in", async () => {
    const [results, count] = await countWrong(() => attempts([uriOf("p256"), uriOf("p384", wrong)], where));
    expect(results[1]).toMatchObject({ code: "pin-incorrect", message: expect.stringContaining("different PIN") });
    expect(count).toBe(0);
  });

  it("knows that the PIN is right if it has opened another key", async () => {
    const results = await attempts([uriOf("p256"), uriOf("missing"), uriOf("p384")], where);
    expect(results.map(({ code }) => code)).toEqual([undefined, "key-not-found", undefined]);
  });

  it("doesn't pass on a PIN that is longer than pkcs11-provider takes", async () => {
    const [results, count] = await countWrong(() => attempts([uriOf("p256", "pin-source=env:LONG")], where));
    expect(results).toMatchObject([{ code: "pin-required", message: expect.stringContaining("32 bytes") }]);
    expect(count).toBe(0);
  });

  it("isn't called for a URI that doesn't name a token and a key", async () => {
    const uris = ["openssl:pkcs11:object=p256", "openssl:pkcs11:token=agents", "openssl:pkcs11:"];
    const withPin = uris.map((uri) => `${uri}?pin-source=env:HSM_PIN`);
    const logins = shim.count("C_Login");
    const results = await attempts(withPin, where);
    expect(results.map(({ code }) => code)).toEqual(["misconfigured", "misconfigured", "misconfigured"]);
    expect(shim.count("C_Login")).toBe(logins);
  });

  it("takes the first of two keys with one label, unless the id or the option publicKey tells them apart", async () => {
    const body = `
      const jwk = async (key, publicKey) => {
        const signer = new OpensslSigner({ key, pin: process.env.HSM_PIN, publicKey });
        return signer.publicJwk().catch(({ code }) => code);
      };
      const byId = [await jwk("pkcs11:token=agents;id=%21"), await jwk("pkcs11:token=agents;id=%22")];
      const byLabel = "pkcs11:token=agents;object=twin";
      report(byId[0].x !== byId[1].x, await jwk(byLabel, byId[0]), await jwk(byLabel, byId[1]));
    `;
    const [differ, ...checked] = await runProgram(body, where);
    expect(differ).toBe(true);
    expect(checked).toContain("wrong-key");
  });

  it("needs the option publicKey for a key whose public half isn't on the token, and verifies signatures with it", async () => {
    await using direct = await (await import("hardproof")).openSigner(
      `pkcs11:token=agents;object=twin;id=%21?module-path=${hsm.module}`,
      { pin: hsm.pin },
    );
    const body = `
      const open = (publicKey) => () => new OpensslSigner({ key: "pkcs11:token=agents;object=private-only", pin: process.env.HSM_PIN, publicKey });
      report(await attempt(open()), await attempt(open(${JSON.stringify(await direct.publicJwk())})));
    `;
    const [without, other] = (await runProgram(body, where)) as Attempt[];
    expect(without).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("Set the option publicKey"),
    });
    expect(other).toMatchObject({ code: "integrity" });
  });

  it("is diagnosed without a login", async () => {
    const logins = shim.count("C_Login");
    const body = `
      import { diagnoseKey } from "hardproof";
      for await (const { check, ok } of diagnoseKey(${JSON.stringify(uriOf("p256"))})) report([check, ok]);
    `;
    expect(await runProgram(body, where)).toContainEqual(["loader", true]);
    expect(shim.count("C_Login")).toBe(logins);
  });

  it("reports a token that hangs as a timeout, and the event loop goes on", async () => {
    shim.order({ on: "C_Sign", act: "hang" });
    const body = `
      const signer = new OpensslSigner({ key: "pkcs11:token=agents;object=p256", pin: process.env.HSM_PIN, timeout: 1000 });
      await signer.publicJwk();
      let turns = 0;
      const timer = setInterval(() => turns++, 10);
      report(await attempt(() => signer));
      report(turns > 20);
      clearInterval(timer);
      console.log(JSON.stringify(results));
      process.kill(process.pid, "SIGKILL");
    `;
    const running = runProgram(body, where).catch(({ stdout }) => JSON.parse(stdout));
    const results = await running;
    shim.order();
    expect(results).toMatchObject([{ code: "timeout" }, true]);
  });

  it("reports that the token is gone, and says to restart", async () => {
    const body = `
      import { once } from "node:events";
      const signer = new OpensslSigner({ key: "pkcs11:token=agents;object=p256", pin: process.env.HSM_PIN });
      await signer.publicJwk();
      await (await import("node:fs/promises")).writeFile(process.env.READY, "");
      while (!(await import("node:fs")).existsSync(process.env.GONE)) await new Promise((resolve) => setTimeout(resolve, 20));
      report(await attempt(() => signer));
    `;
    const [ready, gone] = ["ready", "gone"].map((name) => join(hsm.directory, name));
    const running = runProgram(body, { ...where, env: { ...where.env, READY: ready, GONE: gone } });
    const { existsSync } = await import("node:fs");
    await expect.poll(() => existsSync(ready ?? "")).toBe(true);
    await kit.kill();
    writeFileSync(gone ?? "", "");
    const [result] = (await running) as Attempt[];
    await kit.restart();
    expect(result).toMatchObject({ code: "unavailable", message: expect.stringContaining("restart") });
  });
});
