/** Whatever is typed: one line, an exit code, no stack trace, and nothing of what may have been a secret. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isOneLine, run } from "./run.js";

const SECRET = "hunter2hunter2";
const word = fc.stringMatching(/^[a-z]{1,8}$/);
/** Text with a secret in it, and whatever else people paste. */
const value = fc
  .tuple(fc.string({ maxLength: 6 }), fc.constantFrom("", "\n", "\u001b[2J", "'", "%", "é", " "))
  .map(([before, after]) => `${before.replaceAll("\0", "")}${SECRET}${after}`);

const wrongPkcs11 = fc.oneof(
  value.map((pin) => `pkcs11:token=t;object=k?pin-value=${pin}&pin-valu=x`),
  value.map(
    (pin) => `pkcs11:token=t;object=k?module-path=/x.so&pin-value=${encodeURIComponent(pin)}&pin-value=${SECRET}`,
  ),
  value.map((pin) => `pkcs11:tok=${encodeURIComponent(pin)}`),
  value.map((pin) => `pkcs11:token=%zz;object=${encodeURIComponent(pin)}`),
  value.map((pin) => `pkcs11:token=t;object=k?module-path=/x.so&pin-source=|cat ${pin}`),
  value.map((pin) => `pkcs11:token=t;object=k?module-path=/x.so&pin-source=https://${encodeURIComponent(pin)}`),
  value.map((pin) => `pkcs11:token=t;slot-id=${encodeURIComponent(pin)}`),
);
const wrongUri = fc.oneof(
  wrongPkcs11,
  value.map((rest) => `tpm:token=t;object=k?pin=${encodeURIComponent(rest)}`),
  value.map((rest) => `awskms:///k?secret=${encodeURIComponent(rest)}`),
  value.map((rest) => `gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k?secret=${encodeURIComponent(rest)}`),
  value.map((rest) => `memory:${rest}`),
  value.map((rest) => `memory:?key=${rest}`),
  fc.tuple(word, value).map(([scheme, rest]) => `no${scheme}:${rest}`),
  fc.tuple(word, value).map(([scheme, rest]) => `${scheme.toUpperCase()}:${rest}`),
  value.map((rest) => `file:x${rest}`),
  value.map((rest) => `file:///x.pem?passphrase=${encodeURIComponent(rest)}`),
  value.map((rest) => `file:///x.pem?passphrase-source=x${encodeURIComponent(rest)}`),
  value.map((rest) => `x${rest}`),
);

const commands = ["keygen", "keys", "show", "proof", "verify", "token", "fetch", "doctor", "bench", "demo"];
const command = fc.constantFrom(...commands);
const secretOption = fc.constantFrom("--client-secret", "--pin", "--password", "--refresh-token", "-p", "--tokn", "-u");
const wrongLine = fc.oneof(
  fc.tuple(command, secretOption, value).map(([name, option, secret]) => [name, `${option}=${secret}`]),
  fc.tuple(command, secretOption, value).map(([name, option, secret]) => [name, option, secret]),
  fc.tuple(word, value).map(([name, secret]) => [`no${name}`, secret]),
  fc
    .tuple(fc.constantFrom("keygen", "keys", "show", "doctor", "bench", "demo"), value)
    .map(([name, secret]) => [name, "memory:", secret, secret]),
  fc
    .tuple(fc.constantFrom("proof", "fetch", "verify"), value)
    .map(([name, secret]) => [name, "--token", `x${secret}`, "x"]),
  fc
    .tuple(fc.constantFrom("--seconds", "--concurrency"), value)
    .map(([option, secret]) => ["bench", "memory:", option, secret]),
  value.map((secret) => ["show", "memory:", "--only", secret]),
  value.map((secret) => ["verify", secret, "--max-age", secret]),
  value.map((secret) => ["token", "--grant", secret]),
  value.map((secret) => ["token", "--client-auth", secret]),
  value.map((secret) => ["token", "--key", "memory:", "--client-id", secret]),
  value.map((secret) => [
    "token",
    "--key",
    "memory:",
    "--client-id",
    "x",
    "--base-url",
    `http://u:${encodeURIComponent(secret)}@localhost`,
  ]),
  value.map((secret) => ["fetch", "--key", "memory:", "--token-env", `X${secret}`, "https://a.example"]),
  value.map((secret) => ["fetch", "--key", "memory:", "-H", `Authorization ${secret}`, "https://a.example"]),
  value.map((secret) => ["fetch", "--key", "memory:", "--token-file", `/nowhere/${secret}`, "https://a.example"]),
  value.map((secret) => ["proof", "memory:", `G ${secret}`, "https://a.example"]),
  value.map((secret) => ["proof", "memory:", "GET", secret]),
  value.map((secret) => ["proof", "memory:", "GET", "https://a.example", "--nonce", `"${secret}`]),
  value.map((secret) => [`--${secret}`]),
  fc.constant([]),
);

async function isRefused(args: readonly string[]): Promise<void> {
  const { code, out, err } = await run(args);
  expect(code).toBeGreaterThan(0);
  expect(code).not.toBe(70);
  expect(err).toSatisfy(isOneLine);
  expect(out + err).not.toContain(SECRET);
}

describe("200 malformed URIs", () => {
  it.each([["show"], ["keygen"], ["proof"]])("%s tells each in one line", async (name) => {
    const rest = name === "proof" ? ["GET", "https://a.example"] : [];
    await fc.assert(
      fc.asyncProperty(wrongUri, (uri) => isRefused([name, "--", uri, ...rest])),
      { numRuns: 200 },
    );
  });

  it("as JSON, the error is the one document", async () => {
    await fc.assert(
      fc.asyncProperty(wrongUri, async (uri) => {
        const { code, out, err } = await run(["show", "--json", "--", uri]);
        expect(code).toBeGreaterThan(0);
        expect(JSON.parse(out)).toMatchObject({ error: { code: "misconfigured", message: expect.any(String) } });
        expect(err).toBe("");
        expect(out).not.toContain(SECRET);
      }),
      { numRuns: 200 },
    );
  });
});

describe("200 malformed command lines", () => {
  it("are told in one line each", async () => {
    await fc.assert(fc.asyncProperty(wrongLine, isRefused), { numRuns: 400 });
  });
});

describe("what is said of a mistake", () => {
  const said = async (...args: string[]) => (await run(args)).err;

  it("says where it is, and what was meant", async () => {
    expect(await said("shwo")).toBe("hardproof: Argument 1 is no command. Did you mean show?\n");
    expect(await said("show", "memory:", "--onyl", "jkt")).toBe(
      "hardproof: Argument 3 is no option of this command. Did you mean --only?\n",
    );
    expect(await said("show", "memory:", "--only")).toBe("hardproof: The option --only <part> needs a value.\n");
    expect(await said("verify")).toBe("hardproof: The argument <proof> is missing.\n");
  });

  it("says that a token is no argument", async () => {
    expect(await said("proof", "memory:", "GET", "https://a.example", "--token", "abc")).toContain(
      "--token takes only -",
    );
  });

  it("says what the environment lacks", async () => {
    expect(await said("show")).toBe("hardproof: Name a key by its URI, or in HARDPROOF_KEY.\n");
  });
});
