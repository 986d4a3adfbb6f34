/** What goes wrong between Node, OpenSSL and a STORE loader: PINs, missing loaders and keys, loaders that hang, old versions of Node. */
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { OpensslSigner } from "hardproof/openssl";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { cannotSign, pinFailed } from "../../../providers/openssl/errors.js";
import { checkNodeVersion, versionProblem } from "../../../providers/openssl/node-version.js";
import { LOAD_KEY, runInWorker } from "../../../providers/openssl/worker.js";
import { makeTempDirectory, removeTempDirectory } from "../../../softhsm/directory.js";
import { noStore, pem, privateKeyFor } from "../../node-keys.js";
import { type StoreProvider, storeProvider } from "../../tokens/index.js";
import { type Attempt, attempts, noStoreNode, type ProgramOptions, runProgram } from "./program.js";

const PIN = "4711-secret";
const WRONG = "0815-secret";

describe("Node", () => {
  it.each(["20.19.0", "22.30.1", "24.20.9", "25.99.0", "26.6.2"])("%s can't open keys by STORE loaders", (version) => {
    expect(versionProblem(version)).toContain(version);
  });

  it.each(["24.21.0", "24.30.0", "26.7.0", "27.0.0", "30.1.2"])("%s can", (version) => {
    expect(versionProblem(version)).toBeUndefined();
  });

  it.skipIf(noStore === undefined)(
    "an old version is named, with the one that is needed, and no thread is started",
    async () => {
      const signer = new OpensslSigner({ key: "pkcs11:token=agents;object=dpop", pin: PIN });
      const error = await signer.publicJwk().catch((reason) => reason);
      expect(error).toMatchObject({ code: "misconfigured", retryable: false });
      expect(error.message).toContain(`Node ${process.versions.node} can't open keys`);
      expect(error.message).toContain("24.21");
      expect(checkNodeVersion).toThrow("26.7");
    },
  );
});

describe("a thread that calls OpenSSL", () => {
  it("that ends without a result is an error", async () => {
    await expect(runInWorker("process.exit(3)", {})).rejects.toThrow("ended without a result");
  });

  it("that throws is an error", async () => {
    await expect(runInWorker('throw new Error("broken")', {})).rejects.toThrow("broken");
  });

  it("doesn't get the environment, nor what the application preloads", async () => {
    process.env.HARDPROOF_TEST_ENV = "secret";
    const program =
      'require("node:worker_threads").parentPort.postMessage({ env: process.env, args: process.execArgv })';
    expect(await runInWorker(program, {})).toEqual({ env: {}, args: [] });
    delete process.env.HARDPROOF_TEST_ENV;
  });

  it("returns the error of an invalid URL", async () => {
    expect(await runInWorker(LOAD_KEY, { key: "nothing" })).toMatchObject({ failure: { code: "ERR_INVALID_URL" } });
  });
});

it("an error repeats OpenSSL's message without the PIN", () => {
  const load = { scheme: "stub", storeUri: "stub:key", properties: undefined, pin: PIN };
  const failure = { code: undefined, message: `The PIN ${PIN} is wrong.` };
  for (const error of [pinFailed(load, failure, false), pinFailed(load, failure, true), cannotSign(load, failure)]) {
    expect(error.message).toContain("The PIN … is wrong");
    expect(inspect(error)).not.toContain(PIN);
  }
});

const skipped = noStoreNode ?? inject("unavailable")["OpenSSL's headers"];

describe.skipIf(skipped)(`a STORE loader${skipped ? ` (${skipped})` : ""}`, () => {
  let store: StoreProvider;
  let where: ProgramOptions;
  const key = privateKeyFor("ES256");
  const lines = () => store.log().splice(0);
  /** Returns the lines that a program adds to the log. */
  const logOf = async <T>(work: () => Promise<T>): Promise<[result: T, log: string[]]> => {
    const before = existsSync(join(store.env.STORE_PROVIDER_DIR, "log")) ? lines().length : 0;
    const result = await work();
    return [result, lines().slice(before)];
  };
  beforeAll(async () => {
    store = await storeProvider();
    for (const name of ["plain", "other", "slow", "hanging", "later"]) store.addKey(name, key);
    for (const name of ["pinned", "pinned2", "hanging-pinned"]) store.addKey(name, key, PIN);
    where = { configuration: store.configuration, env: { ...store.env, PIN, WRONG } };
  });
  afterAll(() => store?.[Symbol.dispose]());

  it("opens a key of AWS KMS by the loader for aws-kms:, with the loader's own attributes", async () => {
    const [results, log] = await logOf(() =>
      attempts(["openssl:aws-kms:plain?region=eu-central-1&algorithm=ES256"], where),
    );
    expect(results).toEqual([{ signed: true }]);
    expect(log).toEqual(["open plain"]);
  });

  it("describes the key honestly", async () => {
    const [facts] = await runProgram('report(await (await openSigner("openssl:aws-kms:plain")).describe());', where);
    expect(facts).toMatchObject({
      provider: "openssl",
      uri: "openssl:aws-kms:plain",
      protection: "unknown",
      exportable: "unknown",
      evidence: { loadedBy: "OpenSSL STORE", loader: "aws-kms", openssl: expect.stringMatching(/^3\./) },
    });
  });

  describe("and a PIN", () => {
    it("takes the right one", async () => {
      const [results, log] = await logOf(() => attempts(["openssl:stub:pinned?pin-source=env:PIN"], where));
      expect(results).toEqual([{ signed: true }]);
      expect(log).toEqual(["open pinned", "pin pinned"]);
    });

    it("tries a wrong one once in a process, whatever signer has it", async () => {
      const wrong = "openssl:stub:pinned?pin-source=env:WRONG";
      const body = `
        const signers = await Promise.all([1, 2, 3].map(() => openSigner(${JSON.stringify(wrong)})));
        report(...(await Promise.all(signers.map((signer) => attempt(() => signer)))));
        for (const signer of signers) report(await attempt(() => signer));
        report(await attempt(() => new OpensslSigner({ key: "stub:pinned", pin: () => process.env.WRONG })));
        report(await attempt("openssl:stub:pinned?pin-source=env:PIN"));
      `;
      const [results, log] = await logOf(() => runProgram(body, where) as Promise<Attempt[]>);
      expect(log.filter((line) => line === "wrong pinned")).toHaveLength(1);
      expect(results.slice(0, -1).map(({ code }) => code)).toEqual(Array(7).fill("pin-incorrect"));
      expect(results[0]?.message).toMatch(/doesn't try the PIN in the environment variable WRONG again/);
      expect(results.at(-1)).toEqual({ signed: true });
    });

    it("tries a wrong one once, also if worker threads have it", async () => {
      const body = `
                import { Worker } from "node:worker_threads";
        const thread = () => new Promise((resolve, reject) => {
          const code = \`
            const { parentPort } = require("node:worker_threads");
            import("hardproof").then(async ({ openSigner }) => {
              const signer = await openSigner("openssl:stub:pinned?pin-source=env:WRONG");
              await signer.publicJwk().catch(({ code, message }) => parentPort.postMessage({ code, message }));
            });\`;
          new Worker(code, { eval: true }).once("message", resolve).once("error", reject);
        });
        report(...(await Promise.all([thread(), thread(), attempt("openssl:stub:pinned?pin-source=env:WRONG")])));
        report(await thread());
      `;
      const [results, log] = await logOf(() => runProgram(body, where) as Promise<Attempt[]>);
      expect(results.map(({ code }) => code)).toEqual(Array(4).fill("pin-incorrect"));
      expect(log.filter((line) => line === "wrong pinned")).toHaveLength(1);
    });

    it("opens keys in worker threads", async () => {
      const body = `
                import { Worker } from "node:worker_threads";
        const code = \`
          const { parentPort } = require("node:worker_threads");
          import("hardproof").then(async ({ openSigner }) => {
            const signer = await openSigner("openssl:stub:pinned?pin-source=env:PIN");
            parentPort.postMessage((await signer.sign(Buffer.from("a"))).length);
          });\`;
        const run = () => new Promise((resolve, reject) => new Worker(code, { eval: true }).once("message", resolve).once("error", reject));
        report(await run(), await run());
      `;
      expect(await runProgram(body, where)).toEqual([64, 64]);
    });

    it("asks for one that is missing", async () => {
      const [result] = await attempts(["openssl:stub:pinned"], where);
      expect(result).toMatchObject({ code: "pin-required", message: expect.stringContaining("pin-source") });
    });

    it("never shows it, in an error or by util.inspect", async () => {
      const uris = ["openssl:stub:pinned?pin-source=env:WRONG", "openssl:stub:missing?pin-source=env:WRONG"];
      const results = await attempts([...uris, ...uris, "openssl:nothing:x?pin-source=env:WRONG"], where);
      expect(results.every(({ code }) => code !== undefined)).toBe(true);
      expect(JSON.stringify(results)).not.toContain(WRONG);
    });

    it("isn't read, and OpenSSL isn't called, if its source is empty or contains a line break", async () => {
      const body = `
        report(await attempt("openssl:stub:pinned?pin-source=env:NOT_SET"));
        report(await attempt(() => new OpensslSigner({ key: "stub:pinned", pin: "47\\n11" })));
      `;
      const [results, log] = await logOf(() => runProgram(body, where) as Promise<Attempt[]>);
      expect(results.map(({ code }) => code)).toEqual(["pin-required", "pin-required"]);
      expect(log).toEqual([]);
    });
  });

  it("that doesn't exist is named with what configures it", async () => {
    const [withConfiguration] = await attempts(["openssl:nothing:x"], where);
    expect(withConfiguration).toMatchObject({ code: "misconfigured", retryable: false });
    expect(withConfiguration?.message).toContain(`Activate the provider in ${store.configuration} (--openssl-config)`);
    const [without] = await attempts(["openssl:pkcs11:token=a;object=b"], {});
    expect(without?.message).toContain("doesn't have a loader for pkcs11: URIs");
    expect(without?.message).toContain("--openssl-config=FILE");
  });

  it("names the configuration of OPENSSL_CONF", async () => {
    const env = { ...store.env, OPENSSL_CONF: store.configuration };
    const results = await attempts(["openssl:stub:plain", "openssl:nothing:x"], { env });
    expect(results[0]).toEqual({ signed: true });
    expect(results[1]?.message).toContain(`${store.configuration} (OPENSSL_CONF)`);
  });

  it("without the key is an error that may be temporary, and the next attempt calls it again", async () => {
    const body = `
      const signer = await openSigner("openssl:stub:later");
      report(await attempt(() => signer), await attempt(() => signer));
    `;
    store.begin("later", "fails");
    const [results, log] = await logOf(() => runProgram(body, where) as Promise<Attempt[]>);
    expect(results[0]).toMatchObject({ code: "unavailable", retryable: true });
    expect(results[1]).toEqual({ signed: true });
    expect(log).toEqual(["open later", "open later"]);
  });

  it("that returns a public key is an error", async () => {
    const { createPublicKey } = await import("node:crypto");
    store.addKey("public", createPublicKey(pem(key)));
    const [result] = await attempts(["openssl:stub:public"], where);
    expect(result).toMatchObject({ code: "wrong-key", message: expect.stringContaining("isn't a private key") });
  });

  it("that returns another key than the option publicKey is an error before anything is signed", async () => {
    const { createPublicKey } = await import("node:crypto");
    const other = createPublicKey(pem(privateKeyFor("ES256"))).export({ type: "spki", format: "pem" });
    const body = `report(await attempt(() => new OpensslSigner({ key: "stub:plain", publicKey: ${JSON.stringify(other)} })));`;
    const [result] = (await runProgram(body, where)) as Attempt[];
    expect(result).toMatchObject({ code: "wrong-key", message: expect.stringContaining("publicKey") });
  });

  it("that hangs doesn't stop the event loop, and keeps the time limit and the signal", async () => {
    store.begin("hanging", "hang");
    const body = `
      import { rmSync } from "node:fs";
      import { monitorEventLoopDelay } from "node:perf_hooks";
      const loop = monitorEventLoopDelay({ resolution: 5 });
      loop.enable();
      const signer = new OpensslSigner({ key: "stub:hanging", timeout: 1000 });
      report(await attempt(() => signer));
      report(await attempt(() => ({ sign: (data) => signer.sign(data, { signal: AbortSignal.timeout(100) }) })));
      report(await attempt(() => new OpensslSigner({ key: "aws-kms:plain" })));
      report({ delay: loop.max / 1e6 });
      await new Promise((resolve) => setTimeout(resolve, 1500)); // longer than the time limit of the second attempt
      rmSync(process.env.STORE_PROVIDER_DIR + "/hanging.hang");
      report(await attempt(() => new OpensslSigner({ key: "stub:hanging" })));
    `;
    const [results, log] = await logOf(() => runProgram(body, where) as Promise<(Attempt & { delay: number })[]>);
    expect(results[0]).toMatchObject({ code: "timeout", message: expect.stringContaining("1000 ms") });
    expect(results[1]).toMatchObject({ code: "aborted" });
    expect(results[2]).toEqual({ signed: true });
    // The first attempt would stop the loop for as long as the loader hangs.
    expect(results[3]?.delay).toBeLessThan(900);
    expect(results[4]).toEqual({ signed: true });
    // A caller that has given up doesn't occupy another thread.
    expect(log.filter((line) => line === "open hanging")).toHaveLength(2);
  });

  it("that hangs with a wrong PIN is waited for, so that the PIN isn't tried twice", async () => {
    store.begin("hanging-pinned", "hang");
    const body = `
      import { rmSync } from "node:fs";
      const open = () => new OpensslSigner({ key: "stub:hanging-pinned", pin: process.env.WRONG, timeout: 300 });
      report(await attempt(open));
      const second = attempt(open);
      setTimeout(() => rmSync(process.env.STORE_PROVIDER_DIR + "/hanging-pinned.hang"), 50);
      report(await second);
    `;
    const [results, log] = await logOf(() => runProgram(body, where) as Promise<Attempt[]>);
    expect(results.map(({ code }) => code)).toEqual(["timeout", "pin-incorrect"]);
    expect(log.filter((line) => line === "wrong hanging-pinned")).toHaveLength(1);
  });

  it("isn't called for a caller that has aborted", async () => {
    const body = `report(await attempt(() => ({ sign: (data) =>
      new OpensslSigner({ key: "stub:plain" }).sign(data, { signal: AbortSignal.abort() }) })));`;
    const [results, log] = await logOf(() => runProgram(body, where) as Promise<Attempt[]>);
    expect(results).toMatchObject([{ code: "aborted" }]);
    expect(log).toEqual([]);
  });

  it("isn't called if the permission model forbids it, and the error says what allows it", async () => {
    const permissions = ["--permission", "--allow-fs-read=*"];
    const [noWorker] = await attempts(["openssl:stub:plain"], { ...where, options: permissions });
    const [noStoreAccess] = await attempts(["openssl:stub:plain"], {
      ...where,
      options: [...permissions, "--allow-worker"],
    });
    for (const result of [noWorker, noStoreAccess]) {
      expect(result).toMatchObject({ code: "access-denied" });
      expect(result?.message).toContain("--allow-openssl-store");
    }
    const all = [...permissions, "--allow-worker", "--allow-openssl-store", "--allow-addons"];
    expect(await attempts(["openssl:stub:plain"], { ...where, options: all })).toEqual([{ signed: true }]);
  });

  it("isn't replaced by a file in the current directory that has the key's URI as its name", async () => {
    const cwd = makeTempDirectory("hardproof-cwd-");
    writeFileSync(join(cwd, "stub:plain"), pem(privateKeyFor("ES256")));
    const [result] = await attempts(["openssl:stub:plain"], { ...where, cwd });
    removeTempDirectory(cwd);
    expect(result).toMatchObject({ code: "misconfigured", message: expect.stringContaining("current directory") });
  });

  it("for files is used only if it is allowed", async () => {
    const directory = makeTempDirectory("hardproof-file-");
    const path = join(directory, "key.pem");
    writeFileSync(path, pem(key));
    const uris = [
      `openssl:file://${path}`,
      `openssl:file://${path}?allow-file=true`,
      "openssl:file:///none?allow-file=true",
    ];
    const results = await attempts(uris, {});
    removeTempDirectory(directory);
    expect(results.map(({ code }) => code)).toEqual(["misconfigured", undefined, "key-not-found"]);
    expect(results[0]?.message).toContain("allow-file=true");
  });

  it("is called by no more code than it needs", async () => {
    const body = `
      import { registerHooks } from "node:module";
      const loaded = [];
      registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
      const { openSigner } = await import("hardproof");
      const sign = async (uri) => (await openSigner(uri)).sign(Buffer.from("message"));
      await sign("memory:");
      const providers = loaded.flatMap((url) => url.split("/dist/providers/")[1] ?? []);
      await sign("openssl:stub:plain");
      const results = [providers, loaded.flatMap((url) => url.split("/node_modules/")[1]?.split("/")[0] ?? [])];
    `;
    const [providers, packages] = await runProgram(body, { ...where, prelude: "" });
    expect(providers).toEqual(["memory/index.js"]);
    const convertDer = ["@peculiar", "asn1js", "pvtsutils", "pvutils", "tslib"];
    expect((packages as string[]).filter((name) => !convertDer.includes(name))).toEqual([]);
  });

  it("is diagnosed without loading the key or trying a PIN", async () => {
    const body = `
      import { diagnoseKey } from "hardproof";
      for (const uri of ["openssl:stub:pinned?pin-source=env:WRONG", "openssl:nothing:x"])
        for await (const { check, ok } of diagnoseKey(uri)) report([check, ok]);
    `;
    const [results, log] = await logOf(() => runProgram(body, where));
    const configuration = ["configuration", true];
    expect(results).toEqual([
      ["OpenSSL", true],
      configuration,
      ["loader", true],
      ["PIN source", true],
      ["OpenSSL", true],
      configuration,
      ["loader", false],
      ["PIN source", null],
    ]);
    expect(log).toEqual([expect.stringMatching(/^open hardproof-doctor-/)]);
  });
});

describe.skipIf(noStoreNode)("doctor", () => {
  const body = `
    import { diagnoseKey } from "hardproof";
    for await (const finding of diagnoseKey("openssl:stub:plain")) report(finding);
  `;
  const configurationFinding = async (where: ProgramOptions) =>
    (await runProgram(body, where)).find((finding) => (finding as { check: string }).check === "configuration");
  const directory = makeTempDirectory("hardproof-doctor-");
  afterAll(() => removeTempDirectory(directory));
  const configuration = join(directory, "openssl.cnf");

  it("finds a configuration that doesn't exist, which Node ignores", async () => {
    const finding = await configurationFinding({ configuration: join(directory, "none.cnf") });
    expect(finding).toMatchObject({ ok: false, found: expect.stringContaining("none.cnf (--openssl-config)") });
    expect(await configurationFinding({})).toMatchObject({ ok: null, found: expect.stringContaining("none") });
  });

  it("finds a provider's module that doesn't exist, which OpenSSL ignores", async () => {
    writeFileSync(configuration, "[stub]\nmodule = /usr/lib/none/stub.so # installed?\n", {
      mode: 0o600,
    });
    const env = { NODE_OPTIONS: `--openssl-config=${configuration}` };
    const finding = await configurationFinding({ env });
    expect(finding).toMatchObject({ ok: false, found: expect.stringContaining("/usr/lib/none/stub.so doesn't exist") });
  });

  it("finds a configuration that other users can write", async () => {
    writeFileSync(configuration, "# no provider\n");
    chmodSync(configuration, 0o666);
    const finding = await configurationFinding({ configuration });
    expect(finding).toMatchObject({ ok: false, remedy: expect.stringContaining("chmod go-w") });
  });
});

it.skipIf(noStore === undefined)("doctor names the version that is needed", async () => {
  const { diagnoseKey } = await import("hardproof");
  const findings = [];
  for await (const finding of diagnoseKey("openssl:handle:0x81000001")) findings.push(finding);
  expect(findings).toMatchObject([{ check: "OpenSSL", ok: false, remedy: expect.stringContaining("24.21") }]);
});

it("can't create or list keys, and says so", async () => {
  const { createKey, listKeys } = await import("hardproof");
  await expect(createKey("openssl:handle:0x81000001")).rejects.toThrow("can't create keys");
  await expect(listKeys("openssl:handle:0x81000001")).rejects.toThrow("can't list its keys");
});
