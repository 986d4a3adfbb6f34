/** Runs the programs of docs/clients.md in which Node opens a key in hardware by an OpenSSL provider. */
import { execFile } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openSigner, verifyProof } from "hardproof";
import { softHsm } from "hardproof/softhsm";
import { calculateJwkThumbprint, type JWK } from "jose";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { blocksUnder } from "../mtls/page.js";
import { missing, PROVIDER } from "../mtls/ways.js";
import { noStore } from "../node-keys.js";
import {
  p11KitServer,
  pkcs11ProviderPath,
  TPM2_OPENSSL_DEPENDENCIES,
  type Tpm2OpenSsl,
  tpm2OpenSsl,
} from "../tokens/index.js";

const page = readFileSync(new URL("../../docs/clients.md", import.meta.url), "utf8");
const directory = mkdtempSync(fileURLToPath(new URL("../.node-keys-", import.meta.url)));
afterAll(() => rmSync(directory, { recursive: true }));

const request = { method: "GET", url: "https://api.example.com/resource" };
const proofOf = `process.stdout.write(await prover.makeProof({ htm: "${request.method}", htu: "${request.url}" }));`;

/** Returns the block of a language under a heading. */
function block(heading: string, language: string): string {
  const [, section = ""] = page.split(`\n### ${heading}\n`);
  const [, code] = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(section) ?? [];
  return code ?? expect.unreachable(`no ${language} under "${heading}"`);
}
const program = (heading: string) => block(heading, "js");

const replaceAll = (text: string, paths: Record<string, string>) =>
  Object.entries(paths).reduce((result, pair) => result.replaceAll(...pair), text);

/** Runs a program by the command in its first line, with the page's paths replaced, and returns the proof that it makes. */
async function run(code: string, paths: Record<string, string>, env: NodeJS.ProcessEnv): Promise<string> {
  const here = (text: string) => replaceAll(text, paths);
  const [, options = ""] = /^\/\/ node (.+) agent\.js$/m.exec(code) ?? expect.unreachable("no command");
  const file = join(directory, "agent.js");
  writeFileSync(file, `${here(code)}\n${proofOf}`);
  const args = [...here(options).split(" "), file];
  return (await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } })).stdout;
}

/** Expects a valid proof by this key. */
async function expectProof(proof: string, jkt: string): Promise<void> {
  const { findings } = await verifyProof(proof, { ...request, jkt, maxAge: 60, now: Date.now() / 1000 });
  expect(findings.filter(({ ok }) => ok === false)).toEqual([]);
}

const OPENSSL = "A key that OpenSSL opens";
const TPM = "A key in a TPM that OpenSSL opens";

it("runs every JavaScript program of the page", () => {
  expect(new Set([program(OPENSSL), program(TPM)]).size).toBe(page.match(/^```js$/gm)?.length);
});

it(`${OPENSSL}: signs a proof by pkcs11-provider with a key on a PKCS#11 token`, async (test) => {
  const why = noStore ?? missing[PROVIDER];
  if (why) test.skip(why);
  await using hsm = await softHsm({ label: "agents" });
  await using signer = await openSigner("pkcs11:token=agents;object=dpop?module-name=softhsm2", { pin: hsm.pin });
  const { jkt } = await signer.describe();
  await using kit = await p11KitServer(hsm);
  const configuration = join(directory, "openssl.cnf");
  const ini = (blocksUnder(PROVIDER).ini ?? "")
    .replace("/usr/lib/x86_64-linux-gnu/ossl-modules/pkcs11.so", pkcs11ProviderPath() ?? "")
    .replace("/usr/lib/vendor/libpkcs11.so", kit.module);
  writeFileSync(configuration, ini);
  await expectProof(await run(program(OPENSSL), { "/etc/agent": directory }, { ...kit.env, HSM_PIN: hsm.pin }), jkt);
});

describe(TPM, () => {
  const missingTpm = inject("unavailable")["tpm2-openssl"];
  const [, byFile = ""] = /`(createPrivateKey\(readFileSync\(.+?\)\))`/.exec(page) ?? [];
  const fromFile = program(TPM)
    .replace(/createPrivateKey\(\{.+\}\)/, byFile)
    .replace("import", 'import { readFileSync } from "node:fs";\nimport');
  let tpm: Tpm2OpenSsl;
  const paths: Record<string, string> = {
    "/etc/agent": directory,
    "/usr/lib/x86_64-linux-gnu/ossl-modules/tpm2.so": TPM2_OPENSSL_DEPENDENCIES["tpm2-openssl"].find() ?? "",
  };
  beforeAll(async () => {
    if (missingTpm) return;
    tpm = await tpm2OpenSsl();
    writeFileSync(join(directory, "openssl.cnf"), replaceAll(block(TPM, "ini"), paths));
    const env = { ...process.env, ...tpm.env };
    await promisify(execFile)("sh", ["-c", replaceAll(block(TPM, "sh"), paths)], { env });
  }, 60_000);
  afterAll(() => tpm?.close());

  const ways: [how: string, code: string, why: string | undefined][] = [
    ["by URL", program(TPM), noStore ?? missingTpm],
    ["from its file, on every version of Node", fromFile, missingTpm],
  ];
  for (const [how, code, why] of ways)
    it(`signs a proof with a TPM key that is opened ${how}`, { timeout: 60_000 }, async (test) => {
      if (why) test.skip(why);
      const key = join(directory, "tpm-key.pem");
      await expectProof(await run(code, paths, tpm.env), await thumbprintOf(key, tpm.env));
    });
});

/** Returns the thumbprint of a TPM key's public half, which the command `openssl` reads. */
async function thumbprintOf(file: string, env: NodeJS.ProcessEnv): Promise<string> {
  const args = ["pkey", "-provider", "tpm2", "-provider", "default", "-in", file, "-pubout"];
  const { stdout } = await promisify(execFile)("openssl", args, { env: { ...process.env, ...env } });
  return calculateJwkThumbprint(createPublicKey(stdout).export({ format: "jwk" }) as JWK);
}
