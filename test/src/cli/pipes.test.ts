/** Secrets that come through a pipe, as from a shell's `<(command)`: each pipe can be read only once. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { installTarball } from "../../tarball.js";

const installed = installTarball(inject("tarball"), ["graphene-pk11"]);
const command = join(installed.directory, "node_modules/.bin/hardproof");
const directory = mkdtempSync(join(tmpdir(), "hardproof-pipes-"));
let hsm: SoftHsm;
beforeAll(async () => {
  hsm = await softHsm({ label: "pipes" });
});
afterAll(async () => {
  await hsm.close();
  installed.remove();
  rmSync(directory, { recursive: true });
});

const uriOf = (path: string) => `pkcs11:token=pipes;${path}?module-path=${hsm.module}&pin-source=/dev/fd/9`;
const fileUri = () => `file://${directory}/key.pem?passphrase-source=/dev/fd/9`;

/** Runs the command with the secret and a line break in a pipe, its descriptor 9. Returns what it printed. */
async function run(args: readonly string[], secret: string): Promise<string> {
  const script = `printf '%s\\n' "$SECRET" | { exec 9<&0 </dev/null; exec "$0" "$@"; }`;
  const env = { ...process.env, ...hsm.env, SECRET: secret };
  return (await promisify(execFile)("/bin/sh", ["-c", script, command, ...args], { env })).stdout;
}

it.each<[name: string, args: () => string[], printed: RegExp]>([
  [
    "doctor",
    () => ["doctor", uriOf("object=dpop")],
    /^– PIN source +\/dev\/fd\/9 is not a regular file$[\s\S]*^✓ signature/m,
  ],
  ["keys", () => ["keys", uriOf("object=dpop")], /object=dpop/],
  ["keygen", () => ["keygen", uriOf("object=made")], /object=made/],
  ["show", () => ["show", uriOf("object=dpop")], /CKA_SENSITIVE +true/],
  ["proof", () => ["proof", uriOf("object=dpop"), "GET", "https://a.example"], /^ey/],
  ["bench", () => ["bench", uriOf("object=dpop"), "--seconds", "0.2", "--concurrency", "16"], /sign\/s/],
  ["demo", () => ["demo", uriOf("object=dpop")], /call by owner +200/],
])("%s reads the PIN from a pipe", async (_, args, printed) => {
  expect(await run(args(), hsm.pin)).toMatch(printed);
});

it("keygen and doctor read the passphrase of a key file from a pipe", async () => {
  await run(["keygen", fileUri()], "s3cr3t");
  expect(await run(["doctor", fileUri()], "s3cr3t")).toMatch(/✓ signature/);
  await expect(run(["show", fileUri()], "another")).rejects.toThrow(/passphrase/);
});

it("proof reads the access token from a pipe", async () => {
  const args = ["proof", "memory:", "GET", "https://a.example", "--token-file", "/dev/fd/9"];
  const [, claims = ""] = (await run(args, "a-token")).split(".");
  expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toHaveProperty("ath");
});
