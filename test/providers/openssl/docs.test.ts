/** Runs the programs of docs/openssl.md, with the configurations and commands of the page. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { verifyProof } from "hardproof";
import { softHsm } from "hardproof/softhsm";
import { afterAll, describe, expect, inject, it } from "vitest";
import { missing, PROVIDER } from "../../mtls/ways.js";
import {
  p11KitServer,
  pkcs11ProviderPath,
  storeNode,
  TPM2_OPENSSL_DEPENDENCIES,
  tpm2OpenSsl,
} from "../../tokens/index.js";
import { noStoreNode } from "./program.js";

const page = readFileSync(new URL("../../../docs/openssl.md", import.meta.url), "utf8");
const directory = mkdtempSync(fileURLToPath(new URL("../../.openssl-docs-", import.meta.url)));
afterAll(() => rmSync(directory, { recursive: true }));

const request = { method: "GET", url: "https://api.example.com/resource" };
const makeProof = `process.stdout.write(await prover.makeProof({ htm: "${request.method}", htu: "${request.url}" }));`;

/** Returns the blocks under a heading, by language, with the page's paths replaced. */
function blocks(heading: string, paths: Record<string, string>): { ini: string; js: string; sh: string } {
  const [, section = ""] = page.split(`\n### ${heading}\n`);
  const [text = ""] = section.split(/^##+ /m, 1);
  const found = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = "", code = ""]) => [
    language,
    Object.entries({ "/etc/agent": directory, ...paths }).reduce((result, pair) => result.replaceAll(...pair), code),
  ]);
  return { ini: "", js: "", sh: "", ...Object.fromEntries(found) };
}

/** Runs a program by the command in its first line. */
async function expectProof({ ini, js }: { ini: string; js: string }, env: NodeJS.ProcessEnv): Promise<void> {
  writeFileSync(join(directory, "openssl.cnf"), ini);
  const file = join(directory, "agent.js");
  writeFileSync(file, `${js}\n${makeProof}`);
  const [, option = ""] = /^\/\/ node (.+) agent\.js$/m.exec(js) ?? expect.unreachable("no command");
  const program = promisify(execFile)(storeNode() ?? "", [option, file], { env: { ...process.env, ...env } });
  const { findings } = await verifyProof((await program).stdout, { ...request, maxAge: 60, now: Date.now() / 1000 });
  expect(findings.filter(({ ok }) => ok === false)).toEqual([]);
}

const TOKEN = "A key on a PKCS#11 token";
const TPM = "A key in a TPM";

it("tests every program of the page", () => {
  expect(page.match(/^```js$/gm)).toHaveLength(2);
});

describe("docs/openssl.md", () => {
  it(`${TOKEN}: signs a proof`, async (test) => {
    const why = noStoreNode ?? missing[PROVIDER];
    if (why) test.skip(why);
    await using hsm = await softHsm({ label: "agents" });
    await using kit = await p11KitServer(hsm);
    const paths = {
      "/usr/lib/x86_64-linux-gnu/ossl-modules/pkcs11.so": pkcs11ProviderPath() ?? "",
      "/usr/lib/vendor/libpkcs11.so": kit.module,
    };
    await expectProof(blocks(TOKEN, paths), { ...kit.env, HSM_PIN: hsm.pin });
  });

  it(`${TPM}: creates a key, and signs a proof`, { timeout: 60_000 }, async (test) => {
    const why = noStoreNode ?? inject("unavailable")["TPM handles"];
    if (why) test.skip(why);
    await using tpm = await tpm2OpenSsl();
    const module = TPM2_OPENSSL_DEPENDENCIES["tpm2-openssl"].find() ?? "";
    const code = blocks(TPM, { "/usr/lib/x86_64-linux-gnu/ossl-modules/tpm2.so": module });
    const env = { ...tpm.env, TPM2TOOLS_TCTI: tpm.env.TPM2OPENSSL_TCTI, TPM_PIN: "4711-secret" };
    await promisify(execFile)("sh", ["-ec", code.sh], { cwd: directory, env: { ...process.env, ...env } });
    await expectProof(code, env);
  });
});
