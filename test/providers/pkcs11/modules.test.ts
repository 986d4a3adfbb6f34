/** Faults of real PKCS#11 libraries, reproduced by the shim, with both bindings. */
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { createKey, listKeys } from "hardproof";
import { Pkcs11Signer, provider } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { describe, expect, it } from "vitest";
import { faultyToken } from "../../shim/faulty-token.js";

const { hsm, shim, newSigner: newSignerOf } = await faultyToken("modules");
process.env.HARDPROOF_TEST_PIN = hsm.pin;
const uriOf = (path: string) =>
  `pkcs11:token=modules;${path}?module-path=${shim.module}&pin-source=env:HARDPROOF_TEST_PIN`;
const findings = async (uri: string) => {
  const found = [];
  let error: unknown;
  try {
    for await (const finding of provider.diagnose?.(uri) ?? []) found.push(finding);
  } catch (reason) {
    error = reason;
  }
  return { found, error };
};
const CKA_KEY_GEN_MECHANISM = 0x166;
const CKA_ALWAYS_AUTHENTICATE = 0x202;
const CKO_PRIVATE_KEY = 3;
const CKM_RSA_PKCS = 0x1;

// pkcs11js calls C_GetSlotList and C_GetAttributeValue twice: the first time for the length.
it.each([
  ["koffi", 11],
  ["graphene-pk11", 15],
] as const)("opening a key with %s takes at most %i calls", async (binding, maxCalls) => {
  await using other = newSignerOf({ binding });
  await other.publicJwk();
  const functions = [
    "C_GetSlotList",
    "C_GetTokenInfo",
    "C_OpenSession",
    "C_GetSessionInfo",
    "C_Login",
    "C_FindObjectsInit",
    "C_FindObjects",
    "C_GetAttributeValue",
  ] as const;
  const calls = () => functions.map((name) => shim.count(name));
  const before = calls();
  await using signer = newSignerOf({ binding });
  await signer.publicJwk();
  const increases = calls().map((count, index) => count - (before[index] ?? 0));
  expect(increases.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(maxCalls);
});

describe.each(["graphene-pk11", "koffi"] as const)("with %s", (binding) => {
  const newSigner = (more: Partial<ConstructorParameters<typeof Pkcs11Signer>[0]> = {}) =>
    newSignerOf({ binding, ...more });

  it("maps an error of C_GetSlotList in every function", async () => {
    shim.order({ on: "C_GetSlotList", act: { return: 0x30 } });
    const unavailable = {
      name: "SignerError",
      code: "unavailable",
      message: expect.stringContaining("CKR_DEVICE_ERROR"),
    };
    await using signer = newSigner();
    await expect(signer.publicJwk()).rejects.toMatchObject(unavailable);
    await expect(listKeys(uriOf("object=dpop"), { binding })).rejects.toMatchObject(unavailable);
    expect((await findings(uriOf("object=dpop"))).error).toMatchObject(unavailable);
  });

  it("a token that can't be read is unavailable, and the error doesn't suggest initialising one", async () => {
    shim.order({ on: "C_GetTokenInfo", act: { return: 0x30 } });
    await using signer = newSigner();
    const error = await signer.publicJwk().catch((reason) => reason);
    expect(error).toMatchObject({ code: "unavailable", retryable: true });
    expect(error.message).not.toMatch(/init/i);
  });

  it.each([
    ["a vendor-defined value", 0x8000001a, "0x8000001a"],
    ["CKR_DEVICE_MEMORY", 0x31, "CKR_DEVICE_MEMORY"],
    ["CKR_HOST_MEMORY", 0x02, "CKR_HOST_MEMORY"],
  ])(
    "recovers from %s by restarting the library, and names the value in the error if that doesn't help",
    async (_, value, text) => {
      await using signer = newSigner();
      await signer.publicJwk();
      const lost = { until: "C_Finalize", act: { return: value } } as const;
      shim.order({ on: "C_SignInit", ...lost }, { on: "C_OpenSession", ...lost });
      await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
      shim.order({ on: "C_Initialize", act: { return: value } });
      await using other = newSigner({ key: "other" });
      shim.order({ on: "C_OpenSession", act: { return: value } });
      await expect(other.publicJwk()).rejects.toMatchObject({
        code: "unavailable",
        message: expect.stringContaining(text),
      });
    },
  );

  it("names the return value of C_FindObjects in the error", async () => {
    shim.order({ on: "C_FindObjects", act: { return: 0x54 } });
    await using signer = newSigner();
    await expect(signer.publicJwk()).rejects.toMatchObject({
      name: "SignerError",
      message: expect.stringContaining("CKR_FUNCTION_NOT_SUPPORTED"),
    });
  });

  it.each([0xd1, 0x12, 0x13])(
    "generates a key with a smaller template if the token rejects the full one (CKR %i)",
    async (value) => {
      const callsBefore = shim.count("C_GenerateKeyPair");
      shim.order({ on: "C_GenerateKeyPair", times: 1, act: { return: value } });
      await using signer = await createKey(uriOf(`object=smaller%20${binding}%20${value}`), { binding });
      await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
      expect(shim.count("C_GenerateKeyPair")).toBe(callsBefore + 2);
    },
  );

  it.each([
    ["CKR_TEMPLATE_INCONSISTENT", 0xd1, "misconfigured"],
    ["CKR_FUNCTION_NOT_SUPPORTED", 0x54, "misconfigured"],
    ["CKR_USER_TYPE_INVALID", 0x103, "access-denied"],
  ])("the error for a token that can't generate a key (%s) refers to the vendor's tool", async (name, value, code) => {
    shim.order({ on: "C_GenerateKeyPair", act: { return: value } });
    await expect(createKey(uriOf("object=never"), { binding })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(new RegExp(`${name}.*vendor's tool`)),
    });
  });

  it("a search that returns the same object in each call ends at the first call that isn't full", async () => {
    shim.order({ on: "C_FindObjects", act: { endless: 1 } });
    const uri = `pkcs11:token=modules;serial=${hsm.serial};object=dpop;id=%01?module-path=${shim.module}&algorithm=ES256`;
    await expect(listKeys(uriOf("object=dpop"), { binding })).resolves.toEqual([uri]);
  });

  it.each([
    ["opening", () => newSigner().publicJwk()],
    ["listing", () => listKeys(uriOf("object=dpop"), { binding })],
    ["creating", () => createKey(uriOf("object=never"), { binding })],
  ])(
    "%s ends with an error that names the module if the library returns the same objects endlessly",
    async (_, run) => {
      shim.order({ on: "C_FindObjects", act: { endless: 100 } });
      await expect(run()).rejects.toMatchObject({
        code: "unavailable",
        message: expect.stringMatching(
          `${shim.module}: The library's C_FindObjects returns the same objects repeatedly`,
        ),
      });
    },
  );

  it("CKA_LOCAL doesn't make an imported key non-exportable", async () => {
    shim.order({ on: "C_GetAttributeValue", act: { imported: 1 } });
    await using signer = newSigner();
    expect(await signer.describe()).toMatchObject({
      exportable: "unknown",
      evidence: { CKA_LOCAL: true, CKA_KEY_GEN_MECHANISM: "unavailable" },
    });
  });

  // pkcs11js allocates 4 GB for that, which takes seconds, so it does so only once.
  it.each([CKA_KEY_GEN_MECHANISM, ...(binding === "koffi" ? [CKA_ALWAYS_AUTHENTICATE] : [])])(
    "treats attribute %i with the length 0xffffffff as absent",
    async (type) => {
      shim.order({ on: "C_GetAttributeValue", act: { unavailable: type } });
      await using signer = newSigner();
      await expect(signer.describe()).resolves.toMatchObject({ evidence: { CKA_SENSITIVE: true } });
      await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    },
  );

  it("percent-encodes a serial number that begins with NULs, in a URI that opens the key", async () => {
    shim.order({ on: "C_GetTokenInfo", act: { blank: 3 } });
    const [uri = ""] = await listKeys(uriOf("object=dpop"), { binding });
    expect(uri).toContain("serial=%00%00%00");
    await using signer = provider.open(uri, { pin: hsm.pin, binding });
    await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    const { found } = await findings(uriOf("object=dpop"));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal would interpret them.
    expect(JSON.stringify(found.map((one) => one.found))).not.toMatch(/[\0-\x08]|\\u0000/);
  });

  it("lists no keys of a token without CKM_ECDSA, and diagnose() reports it", async () => {
    shim.order({ on: "C_GetMechanismList", act: { noMechanisms: 1 } });
    expect(await listKeys(uriOf("object=dpop"), { binding })).toEqual([]);
    const { found } = await findings(uriOf("object=dpop"));
    expect(found).toContainEqual({ check: "mechanism", ok: false, found: expect.stringContaining("CKM_ECDSA") });
  });

  it("signs in the open session if the token refuses another one, whatever value it returns", async () => {
    for (const value of [0x07, 0x02, 0x05, 0x06, 0x30, 0x8000001a]) {
      await using signer = newSigner();
      await signer.publicJwk();
      shim.order({ on: "C_Sign", act: { delay: 10 } }, { on: "C_OpenSession", act: { return: value } });
      const work = Array.from({ length: 12 }, (_, n) => signer.sign(Buffer.from([n])));
      await expect(Promise.all(work)).resolves.toHaveLength(12);
      shim.order();
    }
  });

  it("finds a token that was initialised while another signer uses the library", async () => {
    await using holder = newSigner();
    await holder.publicJwk();
    const label = `late ${binding}`;
    await hsm.addToken({ label, pin: "4711", keys: [{ label: "k" }] });
    await using late = newSigner({ token: label, key: "k", pin: "4711" });
    await expect(late.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    await expect(holder.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  });

  it("ignores a session copy of the key that other code in the process created", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    const { PKCS11 } = createRequire(import.meta.url)("pkcs11js");
    const lib = new PKCS11();
    lib.load(shim.module);
    const slot = lib.C_GetSlotList(true).find((one: Buffer) => lib.C_GetTokenInfo(one).label.trim() === "modules");
    const session = lib.C_OpenSession(slot, 6);
    lib.C_FindObjectsInit(session, [
      { type: 0, value: CKO_PRIVATE_KEY },
      { type: 3, value: "dpop" },
    ]);
    const [key] = lib.C_FindObjects(session, 1);
    lib.C_FindObjectsFinal(session);
    lib.C_CopyObject(session, key, [{ type: 1, value: false }]);
    await using other = newSigner();
    await expect(other.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    lib.C_CloseSession(session);
  });

  it("neither lists nor opens a key that isn't allowed to sign with CKM_ECDSA, and the error names the key", async () => {
    const label = `restricted ${binding}`;
    await hsm.addKey({ label, mechanisms: [CKM_RSA_PKCS] });
    await using signer = newSigner({ key: label });
    await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({
      code: "wrong-key",
      message: expect.stringMatching(new RegExp(`"${label}".*can't sign with CKM_ECDSA.*CKA_ALLOWED_MECHANISMS`)),
    });
    expect((await signer.describe()).evidence).toMatchObject({ CKA_ALLOWED_MECHANISMS: "without CKM_ECDSA" });
    expect((await listKeys(uriOf("type=private"), { binding })).join()).not.toContain("restricted");
  });
});

it("a module that can't be loaded fails its check, and the error contains the loader's message", async () => {
  const { found, error } = await findings(`pkcs11:token=t;object=k?module-path=/etc/hostname`);
  expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("too short") });
  expect(found).toContainEqual({
    check: "module",
    ok: false,
    found: "misconfigured",
    remedy: expect.stringContaining("too short"),
  });
});

it("loads only the allowed libraries", async () => {
  const options = { module: hsm.module, token: hsm.token, key: "dpop", pin: hsm.pin };
  await using rejected = new Pkcs11Signer({ ...options, allowedModules: ["/usr/lib/other.so"] });
  await expect(rejected.publicJwk()).rejects.toMatchObject({
    code: "misconfigured",
    message: expect.stringContaining("HARDPROOF_PKCS11_MODULES"),
  });
  await using allowed = new Pkcs11Signer({ ...options, allowedModules: ["softhsm2"] });
  await expect(allowed.publicJwk()).resolves.toBeDefined();
  process.env.HARDPROOF_PKCS11_MODULES = "/usr/lib/other.so";
  await using byVariable = new Pkcs11Signer(options);
  await expect(byVariable.publicJwk()).rejects.toMatchObject({ code: "misconfigured" });
  delete process.env.HARDPROOF_PKCS11_MODULES;
});

it("names the flag that allows addons under Node's permission model", () => {
  const script = `import { Pkcs11Signer } from "${new URL("../../../dist/providers/pkcs11/index.js", import.meta.url)}";
    const signer = new Pkcs11Signer({ module: "${hsm.module}", token: "modules", key: "dpop", pin: "1" });
    await signer.publicJwk().catch(({ code, message }) => console.log(code, message));`;
  const { allowedNodeEnvironmentFlags: flags } = process;
  const args = [
    flags.has("--permission") ? "--permission" : "--experimental-permission",
    "--allow-fs-read=*",
    "--allow-worker",
    "--input-type=module",
    "-e",
    script,
  ];
  const printed = execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  expect(printed).toMatch(/^misconfigured .*ERR_DLOPEN_DISABLED.*--allow-addons/);
});

it.each(["graphene-pk11", "koffi"])(
  "a library that registers a destructor for its threads survives the end of its workers (%s)",
  (binding) => {
    // The shim is such a library. If it were unloaded when the worker ends, the destructor would crash the process.
    const script = `import { Pkcs11Signer } from "${new URL("../../../dist/providers/pkcs11/index.js", import.meta.url)}";
      for (let times = 0; times < 3; times++) {
        const signer = new Pkcs11Signer({
          module: "${shim.module}", token: "modules", key: "dpop", pin: { env: "HARDPROOF_TEST_PIN" }, binding: "${binding}" });
        console.log((await signer.sign(Buffer.from("x"))).length);
        await signer.close();
      }`;
    const printed = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(printed).toBe("64\n64\n64\n");
  },
);

it("gives a hint about what to check for a library that only reports a general failure", async () => {
  const { hintFor } = await import("../../../providers/pkcs11/hints.js");
  const { Pkcs11Error } = await import("../../../providers/pkcs11/return-values.js");
  const failure = new Pkcs11Error(0x05);
  expect(hintFor("/usr/lib/x86_64-linux-gnu/libykcs11.so", failure, "using")).toContain("pcscd");
  expect(hintFor("/usr/lib/opensc-pkcs11.so", failure, "starting")).toContain("pcscd");
  expect(hintFor("/usr/lib/opencryptoki/libopencryptoki.so", failure, "starting")).toContain("group pkcs11");
  expect(hintFor("/usr/lib/libsoftokn3.so", new Pkcs11Error(0x07), "starting")).toContain("LIBRARY_PARAMETERS");
  expect(hintFor("/usr/lib/other.so", failure, "using")).toBeUndefined();
});

it("strips a byte order mark and line ends from a PIN, and rejects control characters before trying it", async () => {
  const { readPin } = await import("../../../src/keystore/pin-source.js");
  for (const source of ["\uFEFF4711", "4711\n", "4711\r\n\r\n", "4711\n\n"]) {
    process.env.HARDPROOF_TEST_PIN_2 = source;
    expect(await readPin({ env: "HARDPROOF_TEST_PIN_2" })).toBe("4711");
  }
  for (const source of ["47\n11", "4711\t", "\n"])
    await expect(readPin(source)).rejects.toMatchObject({ code: "pin-required" });
});

it("a second SoftHSM can be created while the shim is loaded", async () => {
  await using second = await softHsm({ label: "second" });
  expect(second.token).toBe("second");
});
