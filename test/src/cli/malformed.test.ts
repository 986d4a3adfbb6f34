/** Every invalid command line ends with one line of text and an exit code, without a stack trace or a typed secret. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isOneLine, run } from "./run.js";

const SECRET = "hunter2hunter2";
const word = fc.stringMatching(/^[a-z]{1,8}$/);
/** Text with a secret in it, and characters that users paste by accident. */
const value = fc
  .tuple(fc.string({ maxLength: 6 }), fc.constantFrom("", "\n", "\u001b[2J", "'", "%", "é", " "))
  .map(([before, after]) => `${before.replaceAll("\0", "")}${SECRET}${after}`);

const malformedPkcs11 = fc.oneof(
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
const malformedUri = fc.oneof(
  malformedPkcs11,
  value.map((rest) => `tpm:token=t;object=k?pin=${encodeURIComponent(rest)}`),
  value.map((rest) => `awskms:///k?secret=${encodeURIComponent(rest)}`),
  value.map((rest) => `gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k?secret=${encodeURIComponent(rest)}`),
  value.map((rest) => `vault://h/transit/k?token=${encodeURIComponent(rest)}`),
  value.map((rest) => `vault://${encodeURIComponent(rest)}@h/transit/k`),
  value.map((rest) => `vault://h/transit/k?role=r&token-source=${encodeURIComponent(rest)}`),
  value.map((rest) => `memory:${rest}`),
  value.map((rest) => `memory:?key=${rest}`),
  fc.tuple(word, value).map(([scheme, rest]) => `no${scheme}:${rest}`),
  fc.tuple(word, value).map(([scheme, rest]) => `${scheme.toUpperCase()}:${rest}`),
  value.map((rest) => `file:x${rest}`),
  value.map((rest) => `file:///x.pem?passphrase=${encodeURIComponent(rest)}`),
  value.map((rest) => `file:///x.pem?passphrase-source=x${encodeURIComponent(rest)}`),
  value.map((rest) => `x${rest}`),
);

const commands = [
  "keygen",
  "keys",
  "show",
  "csr",
  "proof",
  "verify",
  "register",
  "token",
  "introspect",
  "revoke",
  "fetch",
  "doctor",
  "bench",
  "demo",
];
const command = fc.constantFrom(...commands);
const secretOption = fc.constantFrom(
  ...["--client-secret", "--pin", "--password", "--refresh-token", "--subject-token", "--actor-token"],
  ...["-p", "--tokn", "-u"],
);
const LOGIN = ["token", "--key=memory:", "--client-id=x", "--base-url=https://a.example", "--grant=authorization_code"];
const malformedLine = fc.oneof(
  fc.tuple(command, secretOption, value).map(([name, option, secret]) => [name, `${option}=${secret}`]),
  fc.tuple(command, secretOption, value).map(([name, option, secret]) => [name, option, secret]),
  fc.tuple(word, value).map(([name, secret]) => [`no${name}`, secret]),
  fc
    .tuple(fc.constantFrom("keygen", "keys", "show", "doctor", "bench", "demo"), value)
    .map(([name, secret]) => [name, "memory:", secret, secret]),
  fc
    .tuple(fc.constantFrom("proof", "fetch", "verify", "introspect", "revoke"), value)
    .map(([name, secret]) => [name, "--token", `x${secret}`, "x"]),
  fc
    .tuple(fc.constantFrom("--seconds", "--concurrency"), value)
    .map(([option, secret]) => ["bench", "memory:", option, secret]),
  value.map((secret) => ["show", "memory:", "--only", secret]),
  value.map((secret) => ["csr", "memory:", "--subject", `CM=${secret}`]),
  value.map((secret) => ["csr", "memory:", "--subject", `CN=a,${secret}`]),
  fc
    .tuple(fc.constantFrom("--uri", "--ip", "--usage"), value)
    .map(([option, secret]) => ["csr", "memory:", "--subject", "CN=a", option, secret]),
  value.map((secret) => ["verify", secret, "--max-age", secret]),
  value.map((secret) => ["token", "--grant", secret]),
  value.map((secret) => ["token", "--client-auth", secret]),
  fc
    .tuple(
      fc.constantFrom("--redirect-uri", "--redirect-port", "--login-timeout", "--response-mode", "--profile"),
      value,
    )
    .map(([option, secret]) => [...LOGIN, option, secret]),
  fc
    .tuple(fc.constantFrom("--subject-token-type", "--actor-token-type", "--requested-token-type"), value)
    .map(([option, secret]) => ["token", "--grant", "token_exchange", option, secret]),
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

async function expectUsageError(args: readonly string[]): Promise<void> {
  const { code, out, err } = await run(args);
  expect(code).toBeGreaterThan(0);
  expect(code).not.toBe(70);
  expect(err).toSatisfy(isOneLine);
  expect(out + err).not.toContain(SECRET);
}

describe("200 malformed URIs", () => {
  it.each([["show"], ["keygen"], ["proof"]])("%s reports each malformed URI in one line", async (name) => {
    const rest = name === "proof" ? ["GET", "https://a.example"] : [];
    await fc.assert(
      fc.asyncProperty(malformedUri, (uri) => expectUsageError([name, "--", uri, ...rest])),
      { numRuns: 200 },
    );
  });

  it("show --json reports each malformed URI as one document", async () => {
    await fc.assert(
      fc.asyncProperty(malformedUri, async (uri) => {
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

describe("400 malformed command lines", () => {
  it("reports each malformed command line in one line", async () => {
    const asVersion = ["token", "--redirect-uri", `-V${SECRET}`];
    await fc.assert(fc.asyncProperty(malformedLine, expectUsageError), { numRuns: 400, examples: [[asVersion]] });
  });
});

describe("a usage error", () => {
  const errorOf = async (...args: string[]) => (await run(args)).err;

  it("names the option, or the position of a word, and a similar name", async () => {
    expect(await errorOf("shwo")).toBe("hardproof: Argument 1 is not a command. Did you mean show?\n");
    expect(await errorOf("show", "memory:", "--onyl", "jkt")).toBe(
      "hardproof: --onyl is not an option of hardproof show. Did you mean --only?\n",
    );
    expect(await errorOf("show", "memory:", "--only")).toBe(
      "hardproof: The option --only needs a value: --only <part>. See hardproof show --help.\n",
    );
    expect(await errorOf("verify")).toBe(
      "hardproof: The argument <proof> is missing. Expected: hardproof verify <proof>. See hardproof verify --help.\n",
    );
  });

  it("explains that a token can't be an argument", async () => {
    expect(await errorOf("proof", "memory:", "GET", "https://a.example", "--token", "abc")).toContain(
      "--token takes only -",
    );
  });

  it("names the environment variable that is missing", async () => {
    expect(await errorOf("show")).toBe("hardproof: Pass the key's URI, or set HARDPROOF_KEY.\n");
  });
});
