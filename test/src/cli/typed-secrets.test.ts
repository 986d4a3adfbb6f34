/** Which secrets are asked for, how often, and in which order. test/src/cli/prompts.test.ts has the same in real terminals. */
import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { TypedSecrets } from "../../../src/cli/typed-secrets.js";

/** A terminal, and the secrets that are typed at it. */
function startTerminal() {
  const stream = () => Object.assign(new PassThrough(), { isTTY: true });
  const io = {
    stdin: stream(),
    stdout: stream(),
    stderr: stream(),
    env: {},
    signal: new AbortController().signal,
    end: () => undefined,
  };
  let printed = "";
  io.stderr.on("data", (chunk) => {
    printed += chunk;
  });
  const secrets = new TypedSecrets(io, false);
  return {
    questions: () => [...printed.matchAll(/PIN of (\S+)\. /g)].map(([, owner]) => owner),
    ask: (uri: string) => secrets.option(uri).pin?.(),
    type: (pin: string) => io.stdin.write(`${pin}\r`),
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

it("doesn't ask for a third token's PIN before that of the second was typed", async () => {
  const { ask, questions, type } = startTerminal();
  const first = ask("pkcs11:token=first;object=a");
  await settled();
  type("1111");
  expect(await first).toBe("1111");
  const second = ask("pkcs11:token=second;object=a");
  expect(await ask("pkcs11:token=first;object=b")).toBe("1111");
  const third = ask("pkcs11:token=third;object=a");
  await settled();
  expect(questions()).toEqual(["pkcs11:token=first", "pkcs11:token=second"]);
  type("2222");
  expect(await second).toBe("2222");
  await settled();
  expect(questions()).toEqual(["pkcs11:token=first", "pkcs11:token=second", "pkcs11:token=third"]);
  type("3333");
  expect(await third).toBe("3333");
});

it.each([
  ["pkcs11:token=t;object=a", "pkcs11:object=b;token=t?module-name=m", "pkcs11:token=t"],
  ["openssl:pkcs11:object=a;token=t", "openssl:pkcs11:token=t;object=b;type=private", "openssl:pkcs11:token=t"],
  ["openssl:pkcs11:id=%01;object=a:b;token=t", "openssl:pkcs11:object=b;token=t", "openssl:pkcs11:token=t"],
  ["tpm:object=a;token=t", "tpm:token=t;object=a:b", "tpm:token=t"],
])("asks once for the keys of a token: %s and %s", async (one, other, owner) => {
  const library = one.startsWith("pkcs11:") ? "?module-name=m" : "";
  const { ask, questions, type } = startTerminal();
  const pins = [ask(one + library), ask(other)];
  await settled();
  type("1111");
  expect(await Promise.all(pins)).toEqual(["1111", "1111"]);
  expect(questions()).toEqual([owner + library]);
});
