/** Key stores by URI: the built-in ones, and those that an operator adds. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import {
  createKey,
  DPoPProver,
  listKeys,
  loadProviders,
  openSigner,
  type Provider,
  registerProvider,
  SignerError,
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

const refusal = async (work: Promise<unknown>): Promise<SignerError> => {
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
  it("opens a key that proofs can be made with", async () => {
    const signer = await openSigner("memory:");
    expect((await DPoPProver.create(signer)).jkt).toMatch(/^[\w-]{43}$/);
  });

  it("gives the provider the URI and the options, those of every signer among them", async () => {
    const given: unknown[] = [];
    const open: Provider["open"] = (uri, options) => {
      given.push(uri, options);
      return MemorySigner.generate();
    };
    registerProvider(storeOf("given", { open }));
    const options = { timeout: 5, verify: "first", region: "eu" } as const;
    await openSigner("given:key?a=b", options);
    expect(given).toEqual(["given:key?a=b", options]);
  });

  it("takes the options of every signer for a built-in provider", async () => {
    expect((await refusal(openSigner("memory:", { timeout: -1 }))).message).toMatch(/timeout/);
  });

  it.each(["nobody:key", "memor:", "memory2:"])("%s has no provider", async (uri) => {
    const { message } = await refusal(openSigner(uri));
    for (const scheme of Object.keys(builtInProviders)) expect(message).toContain(`${scheme}:`);
    expect(message).toMatch(/registerProvider.*HARDPROOF_PROVIDERS.*--provider/);
  });

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
  ])("%j is told which schemes there are", async (uri) =>
    expect((await refusal(openSigner(uri))).message).toMatch(/file:, .*memory:, .*pkcs11:/),
  );

  it("refuses 200 URIs of no provider, each in one line that does not repeat what may be a secret", async () => {
    const uri = fc.string({ unit: "binary", maxLength: 20 }).map((start) => `${start}?pin-value=${SECRET}`);
    const unknown = uri.filter(
      (text) => !Object.keys(builtInProviders).some((scheme) => text.startsWith(`${scheme}:`)),
    );
    await fc.assert(
      fc.asyncProperty(unknown, async (text) => {
        const { message } = await refusal(openSigner(text));
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

  it("refuses 200 malformed URIs, each in one line without what they hold", async () => {
    await fc.assert(
      fc.asyncProperty(malformed, async (uri) => {
        const { message } = await refusal(openSigner(uri));
        expect(message).not.toMatch(/[\n\r]/);
        expect(message).not.toContain(SECRET);
      }),
      { numRuns: 200 },
    );
  });
});

describe("createKey and listKeys", () => {
  it("ask the provider", async () => {
    const made = MemorySigner.generate();
    registerProvider(storeOf("whole", { create: async () => made, list: async (uri) => [`${uri}key-1`] }));
    expect(await createKey("whole:key-1")).toBe(made);
    expect(await listKeys("whole:")).toEqual(["whole:key-1"]);
  });

  it("say so where the provider can't", async () => {
    registerProvider(storeOf("open-only"));
    expect((await refusal(createKey("open-only:key"))).message).toMatch(
      /^open-only: This provider can't create keys\./,
    );
    expect((await refusal(listKeys("open-only:"))).message).toMatch(/^open-only: This provider can't list keys\./);
  });
});

describe("registerProvider", () => {
  it("takes a scheme once", () => {
    registerProvider(storeOf("once"));
    expect(() => registerProvider(storeOf("once"))).toThrow(/once: already has a provider/);
  });

  it.each(Object.keys(builtInProviders))("does not give %s: away", (scheme) => {
    expect(() => registerProvider(storeOf(scheme))).toThrow(`${scheme}: already has a provider`);
  });

  it.each([
    ["nothing", undefined],
    ["no scheme", { open: () => undefined }],
    ["a scheme with its colon", storeOf("colon:")],
    ["a scheme in capitals", storeOf("Upper")],
    ["a scheme that no URI can have", storeOf("two words")],
    ["no function to open with", { scheme: "closed" }],
    ["a create that is none", { ...storeOf("creates"), create: true }],
  ])("refuses %s", (_, provider: unknown) => {
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

  it("loads what the operator names: a path, from here or from the root", async () => {
    const [one, other] = [moduleOf("one", exporting("by-path")), moduleOf("other", exporting("by-relative-path"))];
    await loadProviders([one, `./${relative(process.cwd(), other)}`]);
    expect(await openSigner("by-path:")).toMatchObject({ alg: "ES256" });
    expect(await openSigner("by-relative-path:")).toMatchObject({ alg: "ES256" });
  });

  it("refuses what exports no provider", async () => {
    const empty = moduleOf("empty", "export const provider = {};");
    expect((await refusal(loadProviders([empty]))).message).toMatch(/empty\.mjs doesn't export a provider/);
    expect((await refusal(loadProviders(["jose"]))).message).toMatch(/^jose doesn't export a provider/);
  });

  it("refuses a scheme that is taken", async () => {
    expect((await refusal(loadProviders([moduleOf("memory", exporting("memory"))]))).message).toMatch(
      /memory: already has a provider/,
    );
  });

  it.each(["hardproof-no-such-package", "/no/such/module.mjs", "@no/such-package/sub"])(
    "%s is not there",
    async (name) => {
      expect((await refusal(loadProviders([name]))).message).toMatch(/can't be loaded/);
    },
  );

  it.each([
    ["with a syntax error", 'new Function("export");', /Is it installed.*\? SyntaxError: /],
    ["that imports what is not there", 'import "./no-such.mjs";', /\? Error ERR_MODULE_NOT_FOUND: .*no-such\.mjs/],
    ["that throws of itself", 'throw new RangeError("one\\ntwo");', /\? RangeError: one$/],
    ["that throws no error", "throw undefined;", /\? It threw a value that isn't an error\.$/],
  ])("says why one %s is not loaded", async (what, code, why) => {
    expect((await refusal(loadProviders([moduleOf(what.replaceAll(" ", "-"), code)]))).message).toMatch(why);
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
  ])("%j names neither a package nor a file", async (name) => {
    const { message } = await refusal(loadProviders([name]));
    expect(message).toMatch(/must be named by its package, or by a path|can't be loaded/);
  });

  it("is never done because of a URI", async () => {
    const path = moduleOf("trap", "globalThis.sprung = true;\nexport const provider = {};");
    for (const uri of [path, pathToFileURL(path).href, `trap:${path}`, `memory:${path}`])
      await openSigner(uri).then(
        (signer) => signer.publicJwk().catch(() => undefined),
        () => undefined,
      );
    expect(globalThis).not.toHaveProperty("sprung");
  });
});
