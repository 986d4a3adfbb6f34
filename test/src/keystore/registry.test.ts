/** Providers by scheme: the built-in ones, and those that an application or an operator adds. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import {
  type CreateKeyOptions,
  createKey,
  DPoPProver,
  deleteKey,
  listKeys,
  listTokens,
  loadProviders,
  openSigner,
  type Provider,
  registerProvider,
  type Signer,
  SignerError,
  streamKeys,
} from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtInProviders } from "../../../src/keystore/built-in-providers.js";

const SECRET = "s3cr3t";
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "hardproof-providers-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const rejection = async (work: Promise<unknown>): Promise<SignerError> => {
  const error = await work.then(
    () => expect.unreachable(),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(SignerError);
  expect(error.code).toBe("misconfigured");
  return error;
};
const storeOf = (scheme: string, more: Partial<Provider> = {}): Provider => ({
  scheme,
  open: () => MemorySigner.generate(),
  ...more,
});

describe("openSigner", () => {
  it("returns a signer that proofs can be made with", async () => {
    const signer = await openSigner("memory:");
    expect((await DPoPProver.create(signer)).jkt).toMatch(/^[\w-]{43}$/);
  });

  it("passes the URI and all options to the provider", async () => {
    const received: unknown[] = [];
    const open: Provider["open"] = (uri, options) => {
      received.push(uri, options);
      return MemorySigner.generate();
    };
    registerProvider(storeOf("options", { open }));
    const options = { timeout: 5, verify: "first", region: "eu" } as const;
    await openSigner("options:key?a=b", options);
    expect(received).toEqual(["options:key?a=b", options]);
  });

  it("accepts the options of every signer for a built-in provider", async () => {
    expect((await rejection(openSigner("memory:", { timeout: -1 }))).message).toMatch(/timeout/);
  });

  it.each(["unknown:key", "memor:", "memory2:"])(
    "rejects %s, lists the known schemes, and explains how to add one",
    async (uri) => {
      const { message } = await rejection(openSigner(uri));
      for (const scheme of Object.keys(builtInProviders)) expect(message).toContain(`${scheme}:`);
      expect(message).toMatch(/HARDPROOF_PROVIDERS.*--provider.*registerProvider/);
    },
  );

  it.each([
    "",
    "memory",
    ":memory:",
    "/etc/key.pem",
    " memory:",
    "MEMORY:",
    "Memory:",
    "é:",
    "constructor:",
    "__proto__:",
    "toString:",
  ])("rejects %j and lists the known schemes", async (uri) =>
    expect((await rejection(openSigner(uri))).message).toMatch(/file:, .*memory:, .*pkcs11:/),
  );

  it("rejects 200 URIs of unknown schemes, each in one line that doesn't repeat what may be a secret", async () => {
    const uri = fc.string({ unit: "binary", maxLength: 20 }).map((start) => `${start}?pin-value=${SECRET}`);
    const unknown = uri.filter(
      (text) => !Object.keys(builtInProviders).some((scheme) => text.startsWith(`${scheme}:`)),
    );
    await fc.assert(
      fc.asyncProperty(unknown, async (text) => {
        const { message } = await rejection(openSigner(text));
        expect(message).not.toMatch(/[\n\r]/);
        expect(message).not.toContain(SECRET);
      }),
      { numRuns: 200 },
    );
  });
});

describe.each(Object.keys(builtInProviders))("%s:", (scheme) => {
  const start = fc.string({ unit: fc.constantFrom(..."/ab1=;:@.-?&") });
  const wrong = fc.constantFrom(
    "%",
    "%4",
    "%zz",
    " ",
    "\n",
    "\t",
    "\0",
    "#a",
    "<",
    "é",
    "\u200b",
    `&zz=${SECRET}`,
    `;zz=${SECRET}`,
  );
  const malformed = fc.tuple(start, wrong).map(([before, after]) => `${scheme}:${before}?pin-value=${SECRET}${after}`);

  it("rejects 200 malformed URIs, each in one line that doesn't repeat their values", async () => {
    await fc.assert(
      fc.asyncProperty(malformed, async (uri) => {
        const { message } = await rejection(openSigner(uri));
        expect(message).not.toMatch(/[\n\r]/);
        expect(message).not.toContain(SECRET);
      }),
      { numRuns: 200 },
    );
  });
});

describe("createKey and listKeys", () => {
  it("createKey and listKeys call the provider", async () => {
    const created = MemorySigner.generate();
    registerProvider(storeOf("whole", { create: async () => created, list: async (uri) => [`${uri}key-1`] }));
    expect(await createKey("whole:key-1")).toBe(created);
    expect(await listKeys("whole:")).toEqual(["whole:key-1"]);
  });

  it("createKey and listKeys reject a provider that doesn't support them", async () => {
    registerProvider(storeOf("open-only"));
    expect((await rejection(createKey("open-only:key"))).message).toMatch(/^open-only: This store can't create keys\./);
    expect((await rejection(listKeys("open-only:"))).message).toMatch(/^open-only: This store can't list its keys\./);
  });
});

describe("streamKeys", () => {
  it("yields the keys of a provider that lists them one by one, and ends its list at a break", async () => {
    const produced: string[] = [];
    let hasEnded = false;
    async function* list(uri: string) {
      try {
        for (const name of ["a", "b", "c"]) {
          produced.push(name);
          yield uri + name;
        }
      } finally {
        hasEnded = true;
      }
    }
    registerProvider(storeOf("one-by-one", { list }));
    for await (const uri of streamKeys("one-by-one:")) if (uri === "one-by-one:b") break;
    expect({ produced, hasEnded }).toEqual({ produced: ["a", "b"], hasEnded: true });
    expect(await listKeys("one-by-one:")).toEqual(["one-by-one:a", "one-by-one:b", "one-by-one:c"]);
  });

  it("yields the keys of a provider that lists them all at once", async () => {
    registerProvider(storeOf("at-once", { list: async (uri) => [`${uri}a`, `${uri}b`] }));
    const uris: string[] = [];
    for await (const uri of streamKeys("at-once:")) uris.push(uri);
    expect(uris).toEqual(["at-once:a", "at-once:b"]);
  });

  it("rejects a store that can't list its keys, and options that aren't an object", async () => {
    registerProvider(storeOf("unlisted"));
    expect((await rejection(streamKeys("unlisted:").next())).message).toMatch(/This store can't list its keys\./);
    const options = "s3cr3t" as unknown as { timeout: number };
    expect((await rejection(streamKeys("unlisted:", options).next())).message).not.toContain("s3cr3t");
  });
});

describe("registerProvider", () => {
  it("rejects a second provider for the same scheme", () => {
    registerProvider(storeOf("once"));
    expect(() => registerProvider(storeOf("once"))).toThrow(/once: already has a provider/);
  });

  it.each(Object.keys(builtInProviders))("rejects a provider for the built-in scheme %s:", (scheme) => {
    expect(() => registerProvider(storeOf(scheme))).toThrow(`${scheme}: already has a provider`);
  });

  it.each([
    ["undefined", undefined],
    ["an object without a scheme", { open: () => undefined }],
    ["a scheme with its colon", storeOf("colon:")],
    ["a scheme in capitals", storeOf("Upper")],
    ["a scheme that a URI can't have", storeOf("two words")],
    ["an object without `open`", { scheme: "closed" }],
    ["a `create` that isn't a function", { ...storeOf("creates"), create: true }],
    ["a `diagnose` that isn't a function", { ...storeOf("diagnoses"), diagnose: true }],
  ])("rejects %s", (_, provider: unknown) => {
    expect(() => registerProvider(provider as Provider)).toThrow(/must have a scheme/);
  });
});

describe("loadProviders", () => {
  const moduleOf = (name: string, code: string): string => {
    const path = join(directory, `${name}.mjs`);
    writeFileSync(path, code);
    return path;
  };
  const exporting = (scheme: string) =>
    `export const provider = { scheme: "${scheme}", open: () => ({ alg: "ES256" }) };`;

  it("loads modules by absolute and by relative path", async () => {
    const [one, other] = [moduleOf("one", exporting("by-path")), moduleOf("other", exporting("by-relative-path"))];
    await loadProviders([one, `./${relative(process.cwd(), other)}`]);
    expect(await openSigner("by-path:")).toMatchObject({ alg: "ES256" });
    expect(await openSigner("by-relative-path:")).toMatchObject({ alg: "ES256" });
  });

  it("rejects a module that doesn't export a provider", async () => {
    const empty = moduleOf("empty", "export const provider = {};");
    expect((await rejection(loadProviders([empty]))).message).toMatch(/empty\.mjs doesn't export a provider/);
    expect((await rejection(loadProviders(["jose"]))).message).toMatch(/^jose doesn't export a provider/);
  });

  it("rejects a module whose scheme is already registered", async () => {
    expect((await rejection(loadProviders([moduleOf("memory", exporting("memory"))]))).message).toMatch(
      /memory: already has a provider/,
    );
  });

  it.each(["hardproof-no-such-package", "/no/such/module.mjs", "@no/such-package/sub"])(
    "rejects %s, which is not installed",
    async (name) => {
      expect((await rejection(loadProviders([name]))).message).toMatch(/can't be loaded/);
    },
  );

  it.each([
    ["with a syntax error", 'new Function("export");', /Is it installed.*\? SyntaxError: /],
    ["that imports a missing module", 'import "./no-such.mjs";', /\? Error ERR_MODULE_NOT_FOUND: .*no-such\.mjs/],
    ["that throws an error", 'throw new RangeError("one\\ntwo");', /\? RangeError: one$/],
    ["that throws undefined", "throw undefined;", /\? It threw a value that isn't an error\.$/],
  ])("reports why a module %s is not loaded", async (what, code, why) => {
    expect((await rejection(loadProviders([moduleOf(what.replaceAll(" ", "-"), code)]))).message).toMatch(why);
  });

  it.each([
    "",
    " ",
    "data:text/javascript,throw 1",
    "https://a.example/x.mjs",
    "node:fs",
    "../",
    "C:\\x",
    "a b",
    "@/x",
  ])("rejects %j, which is neither a package nor a file", async (name) => {
    const { message } = await rejection(loadProviders([name]));
    expect(message).toMatch(/must be named by its package, or by a path|can't be loaded/);
  });

  it("never loads a module because of a URI", async () => {
    const path = moduleOf("trap", "globalThis.sprung = true;\nexport const provider = {};");
    for (const uri of [path, pathToFileURL(path).href, `trap:${path}`, `memory:${path}`])
      await openSigner(uri).then(
        (signer) => signer.publicJwk().catch(() => undefined),
        () => undefined,
      );
    expect(globalThis).not.toHaveProperty("sprung");
  });
});

describe("deleteKey and listTokens", () => {
  it("pass the URI and the options to the provider", async () => {
    const received: unknown[] = [];
    registerProvider(
      storeOf("deletes", {
        delete: async (uri, options) => {
          received.push(uri, options);
          return { uri, destroyedAt: null };
        },
        listTokens: async (uri, options) => {
          received.push(uri, options);
          return [];
        },
      }),
    );
    expect(await deleteKey("deletes:k", { timeout: 5 })).toEqual({ uri: "deletes:k", destroyedAt: null });
    expect(await listTokens("deletes:", { timeout: 6 })).toEqual([]);
    expect(received).toEqual(["deletes:k", { timeout: 5 }, "deletes:", { timeout: 6 }]);
  });

  it("say that the store can't do it, without the URI", async () => {
    registerProvider(storeOf("neither"));
    for (const work of [deleteKey(`neither:${SECRET}`), listTokens(`neither:${SECRET}`)]) {
      const { message } = await rejection(work);
      expect(message).toMatch(/^neither: This store (can't delete keys|doesn't have tokens)\./);
      expect(message).not.toContain(SECRET);
    }
  });

  it("need functions, if a provider has them", () => {
    for (const name of ["delete", "listTokens", "factsOfNewKey"])
      expect(() => registerProvider(storeOf(`no-${name.toLowerCase()}`, { [name]: "yes" }))).toThrow(/A provider must/);
  });
});

describe("createKey with the option require", () => {
  const facts = { protection: "hsm", exportable: false, evidence: {} } as const;

  it("creates nothing if the store says beforehand that the key wouldn't meet it", async () => {
    let created = 0;
    const create: Provider["create"] = async () => {
      created += 1;
      return MemorySigner.generate();
    };
    registerProvider(storeOf("honest", { create, factsOfNewKey: async () => ({ ...facts, protection: "software" }) }));
    await expect(createKey("honest:k", { require: { protection: ["hsm", "tpm"] } })).rejects.toMatchObject({
      code: "wrong-key",
      message:
        "honest: No key was created. The key's protection is software; required is hsm or tpm. Use a key in such a store.",
    });
    expect(created).toBe(0);
    await (await createKey("honest:k")).close();
    expect(created).toBe(1);
  });

  const promise = { require: { protection: ["hsm"] } } as const;
  const outcomeOf = (uri: string, options: CreateKeyOptions = promise) =>
    createKey(uri, options).then(
      () => expect.unreachable(),
      ({ message }) => message,
    );
  /** A signer of a key that doesn't meet the requirement. */
  const signerOf = (uri: string, more: Partial<Signer> = {}): Signer => {
    const signer = MemorySigner.generate();
    for (const [name, value] of Object.entries({ uri, ...more })) Object.defineProperty(signer, name, { value });
    return signer;
  };
  /** A store that promises an HSM, and gives each new key a URI of its own. */
  const liarOf = (scheme: string, more: Partial<Provider> = {}, signer: Partial<Signer> = {}): Provider => {
    const create = async () => signerOf(`${scheme}:new`, signer);
    return storeOf(scheme, { create, factsOfNewKey: async () => facts, ...more });
  };

  it("deletes a key of which the store promised too much, by the URI of the new key", async () => {
    const deleted: unknown[] = [];
    const remove: Provider["delete"] = async (uri, options) => {
      deleted.push(uri, options);
      return { uri, destroyedAt: null };
    };
    registerProvider(liarOf("liar", { delete: remove }));
    const options = { ...promise, timeout: 5000, signal: new AbortController().signal };
    expect(await outcomeOf("liar:alias", options)).toMatch(/can be exported.* The new key was deleted again\.$/);
    expect(deleted).toEqual(["liar:new", { timeout: 5000 }]);
    deleted.length = 0;
    await outcomeOf("liar:alias?pin-source=env:PIN&algorithm=ES256&token-source=/run/token");
    expect(deleted[0]).toBe("liar:new?pin-source=env:PIN&token-source=/run/token");
    registerProvider(liarOf("liar-twice", { delete: () => expect.unreachable(), deleteCreated: remove }));
    expect(await outcomeOf("liar-twice:k")).toMatch(/deleted again\.$/);
  });

  it("says when the new key will be destroyed", async () => {
    const destroyedAt = new Date("2030-01-02T03:04:05Z");
    registerProvider(liarOf("liar-schedules", { delete: async (uri) => ({ uri, destroyedAt }) }));
    expect(await outcomeOf("liar-schedules:k")).toMatch(
      /will be destroyed on 2030-01-02T03:04:05.000Z: liar-schedules:new$/,
    );
  });

  it("says that the new key exists, and why it could not be deleted", async () => {
    registerProvider(liarOf("liar-keeps"));
    expect(await outcomeOf("liar-keeps:k")).toMatch(
      /can be exported.* The new key liar-keeps:new exists, and could not be deleted: the store can't delete keys\.$/,
    );
    const fails = async () => Promise.reject(new SignerError("unavailable", "The store is down."));
    registerProvider(liarOf("liar-fails", { delete: fails }));
    expect(await outcomeOf("liar-fails:k?pin-value=1234")).toMatch(
      /liar-fails:new exists.*deleted: The store is down\.$/,
    );
    const throws = async () => Promise.reject(new Error(SECRET));
    registerProvider(liarOf("liar-throws", { delete: throws }));
    const message = await outcomeOf("liar-throws:k");
    expect(message).toMatch(/deleted: the deletion failed\.$/);
    expect(message).not.toContain(SECRET);
  });

  it("deletes nothing by a URI that isn't one of the store", async () => {
    const create = async () => MemorySigner.generate();
    registerProvider(liarOf("liar-elsewhere", { create, delete: () => expect.unreachable() }));
    expect(await outcomeOf("liar-elsewhere:k")).toMatch(/could not be deleted: the store didn't return its URI\.$/);
  });

  it("deletes the new key if its signer can't be closed", async () => {
    const close = () => Promise.reject(new Error("stuck"));
    registerProvider(liarOf("liar-stuck", { delete: async (uri) => ({ uri, destroyedAt: null }) }, { close }));
    expect(await outcomeOf("liar-stuck:k")).toMatch(/can be exported.* The new key was deleted again\.$/);
  });

  it("keeps the reason of an abort, unless the new key remains", async () => {
    const reason = new DOMException("Enough.", "AbortError");
    const describe = () => Promise.reject(reason);
    registerProvider(liarOf("liar-aborts", { delete: async (uri) => ({ uri, destroyedAt: null }) }, { describe }));
    await expect(createKey("liar-aborts:k", promise)).rejects.toBe(reason);
    registerProvider(liarOf("liar-remains", {}, { describe }));
    await expect(createKey("liar-remains:k", promise)).rejects.toMatchObject({
      code: "aborted",
      message: expect.stringContaining("The new key liar-remains:new exists"),
    });
  });

  it("rejects a requirement that isn't one", async () => {
    for (const require of [{ protection: "hsm" }, "hsm"])
      await rejection(createKey("memory:", { require: require as never }));
  });
});
