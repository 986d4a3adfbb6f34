/** Secrets from strings, the environment, files and functions, and the errors for those that can't be read. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import fc from "fast-check";
import { checkSecretSource, readSecret, type SecretSource, type SecretUse, SignerError } from "hardproof/provider";
import { afterAll, describe, expect, it } from "vitest";

import { nameSecret, withSecretSource } from "../../../src/keystore/secret-source.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-secret-"));
afterAll(() => rmSync(directory, { recursive: true }));
const file = (content: string) => {
  const path = join(directory, "secret");
  writeFileSync(path, content);
  return { file: path };
};
const errorOf = (source: SecretSource, use: Partial<SecretUse> = {}): Promise<SignerError> =>
  readSecret(source, { name: "PIN", ...use }).then(
    () => expect.unreachable(),
    (error) => error,
  );
process.env.HARDPROOF_SECRET = "s3cr3t ";
process.env.HARDPROOF_MOUNTED = "\uFEFFs3cr3t\n";
process.env.HARDPROOF_EMPTY = "";

describe("readable secrets", () => {
  it.each<[string, () => SecretSource, string]>([
    ["a string without the line break at its end", () => "s3cr3t\n", "s3cr3t"],
    ["an environment variable with its blank", () => ({ env: "HARDPROOF_SECRET" }), "s3cr3t "],
    ["a mounted secret without its line break", () => ({ env: "HARDPROOF_MOUNTED" }), "s3cr3t"],
    ["a file without the line break at its end", () => file(" s3cr3t\n"), " s3cr3t"],
    ["a file without Windows line breaks at its end", () => file("s3cr3t\r\n\r\n"), "s3cr3t"],
    ["a file without its byte order mark", () => file("\uFEFFs3cr3t"), "s3cr3t"],
    ["a file with the line break inside", () => file("s3\ncr3t\n\n"), "s3\ncr3t"],
    ["the result of a function", () => () => "s3cr3t", "s3cr3t"],
    ["the result of an asynchronous function without its line break", () => async () => "s3cr3t\n", "s3cr3t"],
  ])("readSecret returns %s", async (_, source, secret) => {
    expect(await readSecret(source(), { name: "PIN" })).toBe(secret);
  });
});

describe("unreadable secrets", () => {
  const failing = () => {
    throw new Error("the user closed the prompt");
  };
  it.each<[string, () => SecretSource, RegExp]>([
    ["an empty string", () => "", /^The PIN is empty\.$/],
    ["a variable that isn't set", () => ({ env: "HARDPROOF_NONE" }), /environment variable HARDPROOF_NONE is missing/],
    ["an empty variable", () => ({ env: "HARDPROOF_EMPTY" }), /environment variable HARDPROOF_EMPTY is empty/],
    ["a file that doesn't exist", () => ({ file: "/no/such/pin" }), /in the file \/no\/such\/pin can't be read/],
    ["an empty file", () => file("\n"), /in the file .* is empty/],
    ["a function that throws", () => failing, /from the function can't be read/],
    ["a function that returns undefined", () => (() => undefined) as never, /from the function is missing/],
  ])("readSecret rejects %s, and names what is missing and where", async (_, source, message) => {
    expect(await errorOf(source())).toMatchObject({ code: "pin-required", message: expect.stringMatching(message) });
  });

  it("readSecret throws an error with the code, URI and note of the caller", async () => {
    const error = await errorOf("", { code: "access-denied", uri: "test:key", note: "Nothing was sent." });
    expect(error).toBeInstanceOf(SignerError);
    expect(error).toMatchObject({ code: "access-denied", uri: "test:key" });
    expect(error.message).toBe("test:key: The PIN is empty. Nothing was sent.");
  });

  it.each<[string, unknown]>([
    ["a number", 123456],
    ["a big number", 123456n],
    ["a symbol", Symbol("123456")],
    ["an array", ["123456"]],
    ["a Buffer", Buffer.from("123456")],
    ["an object with other members", { value: "123456" }],
    ["null", null],
  ])("readSecret and checkSecretSource reject %s instead of a source, without showing it", async (_, source) => {
    const error = await errorOf(source as never, { uri: "test:key" });
    expect(error).toMatchObject({ name: "SignerError", code: "misconfigured", uri: "test:key" });
    const finding = await checkSecretSource({ check: "PIN", secret: "PIN" }, source as never);
    expect(finding).toMatchObject({ ok: false });
    expect(inspect([error, finding], { depth: 10, showHidden: true })).not.toContain("123456");
  });

  it("readSecret doesn't repeat what a function threw, except for its name or code", async () => {
    const error = await errorOf(() => JSON.parse("s3cr3t"));
    expect(error.message).toBe("The PIN from the function can't be read (SyntaxError).");
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/s3cr3t/);
    const denied = await errorOf(() => Promise.reject(Object.assign(new Error("s3cr3t"), { code: "EACCES" })));
    expect(denied.message).toBe("The PIN from the function can't be read (EACCES).");
    expect(inspect(denied, { depth: 10, showHidden: true })).not.toMatch(/s3cr3t/);
  });

  it("readSecret doesn't show what a function returned instead of a string", async () => {
    const error = await errorOf((() => ({ pin: "s3cr3t" })) as never);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("s3cr3t");
  });
});

describe("the error for a rejected secret", () => {
  const rejected = (message: string, code: "pin-incorrect" | "pin-locked" = "pin-incorrect") =>
    new SignerError(code, message, { uri: "test:key", cause: new Error("the cause") });
  const messageOf = (message: string, source: SecretSource) =>
    Object(withSecretSource(rejected(message), "PIN", source)).message;

  it.each([
    ["The PIN is wrong.", "The PIN in the file /run/pin is wrong."],
    ["This PIN failed before.", "The PIN in the file /run/pin failed before."],
    ["The key doesn't open with this PIN.", "The key doesn't open with the PIN in the file /run/pin."],
    ["Another PIN is in use.", "Another PIN is in use. This was the PIN in the file /run/pin."],
  ])("names its source: %s", (message, expected) => {
    const error = withSecretSource(rejected(message), "PIN", { file: "/run/pin" });
    expect(error).toMatchObject({ name: "SignerError", code: "pin-incorrect", uri: "test:key", message: expected });
    expect(error).toHaveProperty("cause.message", "the cause");
  });

  it("contains the path of its file as it is, whatever the path contains", () => {
    expect(messageOf("The PIN is wrong.", { file: "/run/$&/$`/$1" })).toBe(
      "The PIN in the file /run/$&/$`/$1 is wrong.",
    );
    fc.assert(
      fc.property(fc.string(), (file) => {
        expect(messageOf("The PIN is wrong.", { file })).toBe(`The ${nameSecret("PIN", { file })} is wrong.`);
      }),
    );
  });

  it("never contains the secret itself", () => {
    expect(messageOf("The PIN is wrong.", "s3cr3t")).toBe("The PIN is wrong.");
    expect(messageOf("The PIN is wrong.", () => "s3cr3t")).toBe("The PIN from the function is wrong.");
  });

  it("is returned unchanged if it isn't about a wrong secret", () => {
    for (const error of [rejected("The PIN is locked.", "pin-locked"), new Error("The PIN"), undefined])
      expect(withSecretSource(error, "PIN", { env: "PIN" })).toBe(error);
  });
});
